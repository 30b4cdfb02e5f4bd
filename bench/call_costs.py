#!/usr/bin/env python3
"""What one session call costs the controller, by what is counted: transactions, statements, CPU time. One JSON line.

    .venv/bin/python bench/call_costs.py [--hosts 20] [--desktops 400] [--calls 100] [--within 20] [--profile FILE]

A controller in this process, on a PostgreSQL of its own; hosts and people are those of `bench/fleet.py`, in processes
of their own. All figures are of the time from the first call until all that was given away is replaced, divided by the
calls: each includes the call's share of looks, of what hosts say, and of what they are told. CPU time is
process_time(): it does not depend on what else the machine does, as seconds do.

`works`: each kind of transaction, by the function that is its work: how often, how many statements, CPU ms of its
thread. `loop_cpu_ms`: the event loop's thread. `statements`: the most frequent ones.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import functools
import json
import logging
import pstats
import re
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

import sqlalchemy as sa
import structlog
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from children import Child, allow_files

from frazil.client import Client
from frazil.controller import leadership, presence
from frazil.controller.app import serve
from frazil.controller.store import Store, tables
from frazil.runtime import SystemClock, SystemIds
from frazil.settings import Settings
from frazil.wire.rest import GroupRequest, ImageRequest, PoolRequest
from tests.harness.controller_process import HOST, INSTALLATION
from tests.harness.crowd import GROUP
from tests.harness.postgresql import PostgreSQL
from tests.harness.waiting import until

POOLS = 2
READY_S = 3600.0
_NUMBERS = re.compile(r"(_\d+|::\w+|%\(\w+\)s(, )?)+")


@dataclass
class Counts:
    """Counted while `on`."""

    on: bool = False
    works: Counter[str] = field(default_factory=Counter)
    of_works: Counter[str] = field(default_factory=Counter)
    cpu_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    statements: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    now: threading.local = field(default_factory=threading.local)

    def statement(self, _connection: object, _cursor: object, text: str, *_: object) -> None:
        if self.on and (work := getattr(self.now, "work", None)) is not None:
            with self.lock:
                self.of_works[work] += 1
                self.statements[_NUMBERS.sub("?", " ".join(text.split()))[:160]] += 1

    def counted(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """`Store.write_now` or `Store.read_now`, with its work counted."""

        @functools.wraps(run)
        def running(store: Store, work: Callable[[sa.Connection], object], **options: Any) -> Any:
            self.now.work, began_s = name_of(work), time.thread_time()
            try:
                return run(store, work, **options)
            finally:
                with self.lock:
                    if self.on:
                        self.works[self.now.work] += 1
                        self.cpu_s[self.now.work] += time.thread_time() - began_s
                self.now.work = None

        return running


def name_of(work: Callable[..., object]) -> str:
    """The function that a transaction's work is, below what leads and partials put around it."""
    while True:
        if isinstance(work, functools.partial):
            work = work.func
            continue
        inner = [cell.cell_contents for cell in getattr(work, "__closure__", None) or ()]
        below = [one for one in inner if isinstance(one, functools.partial | FunctionType)]
        if work.__qualname__.startswith("Leadership.write.") and below:
            work = below[0]
            continue
        return f"{work.__module__.removeprefix('frazil.controller.')}.{work.__qualname__.replace('.<locals>', '')}"


async def measure(options: argparse.Namespace, place: Path, database_url: str) -> dict[str, object]:
    counts = Counts()
    for name in ("write_now", "read_now"):
        setattr(Store, name, counts.counted(getattr(Store, name)))
    sa.event.listen(sa.Engine, "before_cursor_execute", counts.statement)
    settings = Settings(
        state_dir=place / "state", run_dir=place / "run", log_dir=place / "log", database_url=database_url
    )
    settings.state_dir.mkdir()
    told = {"installation_id": INSTALLATION, "host_id": HOST}
    settings.installation_file.write_text(json.dumps(told), encoding="utf-8")
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        controller = tasks.create_task(serve(settings, clock=SystemClock(), ids=SystemIds(), ready=ready.set))
        await ready.wait()
        try:
            return await _measured(options, settings, database_url, counts)
        finally:
            controller.cancel()


async def _measured(options: argparse.Namespace, settings: Settings, url: str, counts: Counts) -> dict[str, object]:
    engine = sa.create_engine(url)
    size = options.desktops // POOLS
    spares = (options.desktops - options.calls) // POOLS

    def fill() -> None:
        with Client.local(settings.local_socket) as root:
            root.make_image(ImageRequest(name="debian", recipe="debian-icewm"))
            root.add_group(GroupRequest(name=GROUP))
            for number in range(POOLS):
                name = f"pool-{number}"
                root.make_pool(
                    PoolRequest(
                        name=name, image="debian", spares=spares, max_desktops=size, pause_after_s=0,
                        start_deadline_s=3600,
                    )
                )  # fmt: skip
                root.grant_group(name, GROUP)

    def there() -> int:
        with engine.connect() as connection:
            query = sa.select(sa.func.count()).where(tables.desktops.c.announced == "ready")
            return int(connection.execute(query).scalar_one())

    async def are_ready(count: int) -> None:
        await asyncio.to_thread(until, lambda: there() >= count, f"{count} are ready", timeout_s=READY_S)
        print(f"{count} are ready", file=sys.stderr)

    with contextlib.ExitStack() as stack:
        stack.callback(engine.dispose)
        stack.enter_context(Child("fleet_hosts.py", settings.hosts_socket, options.hosts))
        people = stack.enter_context(Child("fleet_calls.py", settings.public_socket, url, options.calls))
        await asyncio.to_thread(fill)
        await are_ready(spares * POOLS)
        assert await asyncio.to_thread(people.answer, deadline_s=600) == "ready"
        pools = [f"pool-{number}" for number in range(POOLS)]
        profile = cProfile.Profile() if options.profile else None
        profiled = _profiled(profile) if profile is not None else contextlib.nullcontext()
        with profiled:
            counts.on, cpu_s, loop_s = True, time.process_time(), time.thread_time()
            people.tell(json.dumps({"pools": pools, "within_s": options.within, "sign_ins": 0}))
            storm = json.loads(await asyncio.to_thread(people.answer, deadline_s=3600))
            await are_ready(options.desktops)
            counts.on, cpu_s, loop_s = False, time.process_time() - cpu_s, time.thread_time() - loop_s
        if profile is not None:
            pstats.Stats(profile).dump_stats(options.profile)
    calls = options.calls
    assert storm["refused"] == 0, storm
    return {
        "calls": calls,
        "transactions_a_call": round(sum(counts.works.values()) / calls, 2),
        "statements_a_call": round(sum(counts.of_works.values()) / calls, 2),
        "cpu_ms_a_call": round(1000 * cpu_s / calls, 2),
        "loop_cpu_ms": round(1000 * loop_s / calls, 2),
        "works": {
            name: {
                "times": count,
                "statements": counts.of_works[name],
                "cpu_ms": round(1000 * counts.cpu_s[name] / calls, 3),
            }
            for name, count in sorted(counts.works.items(), key=lambda pair: -counts.cpu_s[pair[0]])
        },
        "statements": {text: round(count / calls, 2) for text, count in counts.statements.most_common(60)},
        "call_s": storm["call_s"],
    }


@contextlib.contextmanager
def _profiled(profile: cProfile.Profile) -> Any:
    """Of the event loop's thread."""
    profile.enable()
    try:
        yield
    finally:
        profile.disable()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--desktops", type=int, default=400)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--within", type=float, default=20.0, help="seconds, of all calls (default: %(default)s)")
    parser.add_argument("--profile", help="a file for pstats: the event loop's thread")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="default: %(default)s")
    options = parser.parse_args(argv)
    allow_files(8 * options.hosts + 1000)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    # Who waits for a processor is not dead: what is counted here is what happens, not how fast.
    leadership.LEASE_S = presence.SILENT_AFTER_S = presence.LOST_AFTER_S = 3600.0
    with PostgreSQL() as server, tempfile.TemporaryDirectory(prefix="fz-costs-", dir="/var/tmp") as directory:
        place = Path(directory)
        place.chmod(0o711)
        loops = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
        with asyncio.Runner(loop_factory=loops[options.loop]) as runner:
            print(json.dumps(runner.run(measure(options, place, server.database()))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
