#!/usr/bin/env python3
"""One controller and a fleet of simulated hosts, in real time. Its last line is one JSON object.

    .venv/bin/python bench/fleet.py [--hosts 1024] [--desktops 20000] [--calls 5000] [--database sqlite] [--scale]

The controller is `frazil controller`, on a PostgreSQL of its own (Debian's postgresql: `python3 scripts/bootstrap`) or
on SQLite. The hosts (`tests/fakes/simulated_host.py`) speak the real host link and take as long as real ones took
(bench/results/instant.json: forks, gone, sign_on.fork, template). Hosts and people are processes of their own, whose
CPU time is told apart, as that of PostgreSQL is. CPU times are of the whole process, memory is what is resident.

`storm`: so many people, signed in before, each ask for a session, evenly over --within seconds whether or not the
others were answered; a call counts from when it was due. Each is given a spare, for which the controller makes
another. In its second half people sign in by password too, --sign-ins at a time. `steady`: --steady seconds in which
nothing happens but heartbeats and the hosts' full reports. `edit`: from the call that changes a pool of (at most)
1,000 desktops until a host has heard of it. `reconcile`: the controller is killed and started; from its start until it
has taken in what every host sees and nothing is left to do.

`growth`, with --scale: the same at `SIZES` desktops, each on a new installation with as many desktops a host and calls
a desktop; the exponent is the slope of a straight line through the logarithms, by least squares.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from figures import Surroundings, cpu_s, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from children import Child, allow_files

from frazil.client import Client
from frazil.controller.store import tables
from frazil.controller.store.engine import sqlite_url
from frazil.wire.rest import GroupRequest, ImageRequest, PoolChange, PoolRequest
from tests.harness.controller_process import ControllerProcess
from tests.harness.crowd import GROUP
from tests.harness.postgresql import PostgreSQL, installed
from tests.harness.processes import descendants

SIZES = (100, 1000, 5000, 20000)
POOL = 1000
"""The most desktops of a pool."""
SETTLING_S = 3600.0
LOOK_S = 0.25
STORM_S, CALL_P99_S, STEADY_PERCENT, RECONCILE_S, EFFECT_S, MEMORY_MIB, EXPONENT = (
    60.0,
    0.25,
    25.0,
    30.0,
    5.0,
    1024,
    1.1,
)
"""The goals."""
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    hosts: int
    desktops: int
    calls: int

    @property
    def pools(self) -> int:
        return math.ceil(self.desktops / POOL)

    @property
    def pool_size(self) -> int:
        return self.desktops // self.pools

    @property
    def spares(self) -> int:
        """Of each pool: what is left of it when all have called."""
        return self.pool_size - self.calls // self.pools


class Bench:
    """One installation with its fleet and its people."""

    def __init__(self, size: Size, controller: ControllerProcess, database_url: str, database_pid: int | None) -> None:
        self.size = size
        self.controller = controller
        self.hosts = Child("fleet_hosts.py", controller.settings.hosts_socket, size.hosts)
        self._engine = sa.create_engine(database_url)
        self._url = database_url
        self._database_pid = database_pid

    def people(self) -> Child:
        return Child("fleet_calls.py", self.controller.settings.public_socket, self._url, self.size.calls)

    def fleet(self) -> Row:
        self.hosts.tell("")
        told: Row = json.loads(self.hosts.answer())
        return told

    def spent_s(self) -> dict[str, float]:
        """CPU time so far."""
        found = {"controller": cpu_s(self.controller.pid), "hosts": cpu_s(self.hosts.pid)}
        if self._database_pid is not None:
            found["database"] = family_cpu_s(self._database_pid)
        return found

    def ready(self) -> int:
        """Desktops of which the controller has written down that they are ready."""
        query = sa.select(sa.func.count()).where(tables.desktops.c.announced == "ready")
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def installation(size: Size, database: str) -> Iterator[Bench]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fz-fleet-", dir="/var/tmp")))
        place.chmod(0o711)
        url, pid = "", None
        if database == "postgresql":
            server = stack.enter_context(PostgreSQL(fsync=True))
            url, pid = server.database(), server.pid
        controller = stack.enter_context(ControllerProcess(place, database_url=url))
        controller.start()
        file = sqlite_url(controller.settings.controller_dir / "frazil.sqlite3")
        bench = Bench(size, controller, url or file, pid)
        stack.callback(bench.close)
        stack.enter_context(bench.hosts)
        yield bench


def family_cpu_s(pid: int) -> float:
    """CPU time of a process, of what it started and lives, and of what has ended: cutime and cstime of proc(5)."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    ended_s = (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")
    return cpu_s(pid) + ended_s + sum(cpu_s(child) for child in descendants(pid))


def wait(what: str, so: Callable[[], bool]) -> float:
    """Until it is so; how long that was. AssertionError after `SETTLING_S`."""
    began_s = time.monotonic()
    while not so():
        assert time.monotonic() - began_s < SETTLING_S, f"never: {what}"
        time.sleep(LOOK_S)  # between two looks
    print(f"{what}: {time.monotonic() - began_s:.1f} s", file=sys.stderr)
    return time.monotonic() - began_s


def used(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds - before[name], 2) for name, seconds in after.items()}


def memory_mib(pid: int) -> dict[str, int]:
    """VmRSS and VmHWM of proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.partition(":")[0]: int(line.split()[1]) >> 10 for line in lines if line.endswith(" kB")}
    return {"now_mib": found["VmRSS"], "most_mib": found["VmHWM"]}


def fill(bench: Bench) -> Row:
    """Image, group and pools, until all spares are there."""
    size = bench.size
    before_s, began_s = bench.spent_s(), time.monotonic()
    with Client.local(bench.controller.settings.local_socket) as root:
        root.make_image(ImageRequest(name="debian", recipe="debian-icewm"))
        root.add_group(GroupRequest(name=GROUP))
        for number in range(size.pools):
            name = f"pool-{number}"
            root.make_pool(
                PoolRequest(
                    name=name,
                    image="debian",
                    spares=size.spares,
                    max_desktops=size.pool_size,
                    pause_after_s=0,
                    start_deadline_s=3600,
                )
            )
            root.grant_group(name, GROUP)
    wait(f"{size.spares * size.pools} desktops are ready", lambda: bench.ready() >= size.spares * size.pools)
    return {"took_s": round(time.monotonic() - began_s, 1), "cpu_s": used(before_s, bench.spent_s())}


def storm(bench: Bench, options: argparse.Namespace) -> Row:
    size = bench.size
    with bench.people() as people:
        assert people.answer(deadline_s=600) == "ready"
        pools = [f"pool-{number}" for number in range(size.pools)]
        before_s = {**bench.spent_s(), "people": cpu_s(people.pid)}
        people.tell(json.dumps({"pools": pools, "within_s": options.within, "sign_ins": options.sign_ins}))
        found: Row = json.loads(people.answer(deadline_s=3600))
        spent_s = used(before_s, {**bench.spent_s(), "people": cpu_s(people.pid)})
    print(f"storm: {found}", file=sys.stderr)
    given = size.calls - int(str(found["refused"]))
    whole = size.spares * size.pools + given
    replaced_s = wait("all that was given away is replaced", lambda: bench.ready() >= whole)
    return {**found, "cpu_s": spent_s, "replaced_s": round(replaced_s, 1)}


def steady(bench: Bench, seconds: float) -> Row:
    before_s, began_s = bench.spent_s(), time.monotonic()
    time.sleep(seconds)  # the length of what is measured
    took_s = time.monotonic() - began_s
    found = used(before_s, bench.spent_s())
    return {"cpu_percent_of_a_core": {name: round(100 * spent / took_s, 2) for name, spent in found.items()}}


def edit(bench: Bench) -> Row:
    with Client.local(bench.controller.settings.local_socket) as root:
        pool = root.pool("pool-0")
        began_s = time.monotonic()
        root.change_pool(pool, PoolChange(share_memory=False))
        answered_s = time.monotonic() - began_s
    heard: dict[str, float] = {}

    def is_heard() -> bool:
        told = bench.fleet()["unshared_at_s"]
        assert isinstance(told, dict)
        heard.update(told)
        return pool.id in heard

    wait("a changed pool is heard of", is_heard)
    first_effect_s = heard[pool.id] - began_s
    return {
        "desktops": bench.size.pool_size, "answered_s": round(answered_s, 3),
        "first_effect_s": round(first_effect_s, 3),
    }  # fmt: skip


def reconcile(bench: Bench) -> Row:
    controller = bench.controller
    controller.kill()
    before, began_s = len(controller.said("reconcile.settled")), time.monotonic()
    controller.start()
    wait("all is known again", lambda: len(controller.said("reconcile.settled")) > before)
    return {"took_s": round(time.monotonic() - began_s, 1), "cpu_s": round(cpu_s(controller.pid), 2)}


def measure(size: Size, options: argparse.Namespace) -> Row:
    """All of it at one size."""
    with installation(size, options.database) as bench:
        result: Row = {"hosts": size.hosts, "desktops": size.pool_size * size.pools, "calls": size.calls}
        for name, part in {
            "fill": lambda: fill(bench),
            "storm": lambda: storm(bench, options),
            "edit": lambda: edit(bench),
            "memory": lambda: memory_mib(bench.controller.pid),
            "reconcile": lambda: reconcile(bench),
            "steady": lambda: steady(bench, options.steady),
            "memory_after": lambda: memory_mib(bench.controller.pid),
        }.items():
            result[name] = part()
            print(f"{name}: {result[name]}", file=sys.stderr)
        fleet = bench.fleet()
        return {**result, "running": fleet["running"], "started": fleet["started"], "twice": fleet["twice"]}


def at(row: Row, *path: str) -> float:
    found: object = row
    for name in path:
        assert isinstance(found, dict)
        found = found[name]
    return float(str(found))


GROWING: dict[str, Callable[[Row], float]] = {
    "fill_cpu_s": lambda row: at(row, "fill", "cpu_s", "controller"),
    "storm_cpu_s": lambda row: at(row, "storm", "cpu_s", "controller"),
    "steady_cpu_percent": lambda row: at(row, "steady", "cpu_percent_of_a_core", "controller"),
    "reconcile_cpu_s": lambda row: at(row, "reconcile", "cpu_s"),
    "memory_mib": lambda row: at(row, "memory", "most_mib"),
}


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line through the points' logarithms, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(axis) / len(logs) for axis in zip(*logs, strict=True))
    over = sum((x - mean_x) * (y - mean_y) for x, y in logs)
    return round(over / sum((x - mean_x) ** 2 for x, _ in logs), 3)


def growth(rows: Sequence[Row]) -> Row:
    found: Row = {}
    for name, value in GROWING.items():
        points = [(at(row, "desktops"), value(row)) for row in rows]
        found[name] = {"at": {f"{desktops:.0f}": y for desktops, y in points}, "exponent": exponent(points)}
    return found


def goals(row: Row, grown: Row | None) -> dict[str, bool]:
    calls, whole = at(row, "storm", "calls"), at(row, "desktops")
    memory = max(at(row, "memory", "most_mib"), at(row, "memory_after", "most_mib"))
    met = {
        f"all calls within {STORM_S:.0f} s": at(row, "storm", "all_in_s") <= STORM_S,
        "every call was given a desktop": at(row, "storm", "refused") == 0 < calls,
        f"p99 of the calls < {CALL_P99_S} s": at(row, "storm", "call_s", "p99") < CALL_P99_S,
        f"steady < {STEADY_PERCENT:.0f} % of a core": at(row, "steady", "cpu_percent_of_a_core", "controller")
        < STEADY_PERCENT,
        f"full reconcile < {RECONCILE_S:.0f} s": at(row, "reconcile", "took_s") < RECONCILE_S,
        f"first effect < {EFFECT_S:.0f} s": at(row, "edit", "first_effect_s") < EFFECT_S,
        f"memory < {MEMORY_MIB} MiB": memory < MEMORY_MIB,
        "no desktop was given to two, none runs twice, none was started twice": at(row, "storm", "given_to_two") == 0
        and row["twice"] == []
        and row["running"] == row["started"] == whole,
    }
    for name in grown or ():
        met[f"{name} grows with an exponent <= {EXPONENT}"] = at(grown or {}, name, "exponent") <= EXPONENT
    return met


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=1024, help="simulated hosts (default: %(default)s)")
    parser.add_argument("--desktops", type=int, default=20000, help="on all of them (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=5000, help="for a session (default: %(default)s)")
    parser.add_argument("--within", type=float, default=55.0, help="seconds, of all calls (default: %(default)s)")
    parser.add_argument("--sign-ins", type=int, default=2, help="at a time, beside the calls (default: %(default)s)")
    parser.add_argument("--steady", type=float, default=60.0, help="seconds of that (default: %(default)s)")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--scale", action="store_true", help="also at fewer desktops, for how it grows")
    options = parser.parse_args(argv)
    if options.database == "postgresql" and not installed():
        print("Not installed: postgresql. Run: python3 scripts/bootstrap", file=sys.stderr)
        return 2
    allow_files(8 * options.hosts + 1000)
    surroundings = Surroundings()
    whole = Size(hosts=options.hosts, desktops=options.desktops, calls=options.calls)
    less = [
        Size(
            hosts=max(1, round(options.hosts * desktops / options.desktops)),
            desktops=desktops,
            calls=max(1, round(options.calls * desktops / options.desktops)),
        )
        for desktops in SIZES
        if options.scale and desktops < options.desktops
    ]
    rows = [measure(size, options) for size in (*less, whole)]
    grown = growth(rows) if options.scale else None
    result: Row = {
        "database": options.database, **rows[-1], "growth": grown, "goals": goals(rows[-1], grown),
        "machine": surroundings.facts(),
    }  # fmt: skip
    return report(result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
