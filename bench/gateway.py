#!/usr/bin/env python3
"""Frazil's gateway beside HAProxy (TLS to TCP) and websockify: what a relay costs. Its last line is one JSON object.

    .venv/bin/python bench/gateway.py [--seconds 1.5] [--rounds 5] [--idle 1000] [--busy 50] [--only WAY ...]

Needs Debian's haproxy and websockify (`python3 scripts/bootstrap soak`). No root, no libvirt: the back end is a plain
socket that speaks SPICE, the same for all, and the controller is the tests' own. Each way has a relay of its own, with
one process and one thread (websockify makes a process for each connection); all serve the same certificate and speak
TLS 1.3 with the same cipher. Relay, back end, controller and viewers are processes of their own, and only the relay's
time is counted.

The ways: `straight` to the back end, `tls` straight to it too but by TLS, `tunnel` (HTTP CONNECT) and `websocket`
through the gateway, `haproxy`, `websockify`. By each, real SPICE sessions are made: a main link and a display link.
Figures that vary are the median of the rounds, in which the ways take turns, so that a machine that slows down
meanwhile slows all.

`kib_per_idle_link`: resident memory that the --idle silent sessions of a new relay take, per link. `together`: beside
them --busy ones each ask for 8 KiB twenty times a second; `added_ms` is what each percentile is above the straight
way's of the same round, `added_to_tls_ms` above that of `tls`, where the viewers, who share the machine, have TLS to do
too; `late_ms` is how late the asking was, and rounds in which the p99 of that is above `LATE_MS` are not counted: the
machine was too busy to tell. A goal without a counted round is null.

`mb_per_cpu_s`: megabytes (10^6) that one second of the relay's CPU carries, in messages of so many bytes, over
`STREAMS` links as fast as they go: then every relay takes many small messages in one piece, of at most 64 KiB. `cpus`:
how busy the relay was meanwhile. `round_trip_us`: asking for such a message and having it, one at a time. `sessions`:
main links until their first message, eight at once, by the clock and by the relay's CPU time. The gateway asks the
controller about each, for its ticket; by the clock, that counts for it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from figures import Surroundings, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from attempts import Attempts
from children import Child, allow_files
from relays import SOCKET, Relay, certified, free_port, missing, running, trust, versions

SIZES = (64, 1 << 10, 8 << 10, 64 << 10)
SIZE = 8 << 10
STREAMS = 4
ECHOES = 400
SET_UPS = 200
PER_S = 20.0
CUTS = ("p50", "p99")
WEBSOCKIFY_IDLE = 50
"""It makes a process for each link; thousands of them would fill the machine."""
WAYS = {
    "straight": "",
    "tls": "",
    "tunnel": "gateway",
    "websocket": "gateway",
    "haproxy": "haproxy",
    "websockify": "websockify",
}
GOALS = {"haproxy": 0.5, "websockify": 5.0}
"""So many times the bytes per CPU second of that relay, at 8 KiB."""
ADDED_P99_MS = 1.0
BASES = {"straight": "added_ms", "tls": "added_to_tls_ms"}
"""The ways without a relay, and what the others add to each."""
LATE_MS = 5.0
IDLE_KIB = 100.0
SESSION_S = 0.3
"""What setting one up may take on a slow machine, for the deadlines."""
Row = dict[str, object]


class Bench:
    """Everything that runs meanwhile."""

    def __init__(self, directory: Path, controller: Child, options: argparse.Namespace) -> None:
        self._directory = directory
        self._controller = controller
        self.options = options
        self.relays: dict[str, Relay] = {}
        self.attempts = Attempts()

    def load(self, do: str, way: str, sessions: int, **work: object) -> Child:
        """A load generator at work."""
        relay = self.relays[way]
        self._controller.tell(str(sessions))
        told = dict(
            do=do, way=way, back_end=str(self._directory / SOCKET), port=relay.port, pid=relay.pid,
            trust="" if way == "straight" else str(trust(self._directory)),
            sessions=json.loads(self._controller.answer()), **work,
        )  # fmt: skip
        child = Child("relay_load.py")
        child.tell(json.dumps(told))
        return child

    def done(self, do: str, way: str, sessions: int = 1, **work: object) -> Row | None:
        """A load generator's whole answer; None when it failed, which is told."""

        def measured() -> Row:
            with self.load(do, way, sessions, **work) as child:
                return answer(child, sessions, seconds=float(str(work.get("seconds", 0))))

        return self.attempts.take(f"{do} {way} {work.get('size_bytes', '')}".strip(), measured, times=2)

    @contextmanager
    def holding(self, way: str, sessions: int) -> Iterator[None]:
        """So many silent sessions."""
        with self.load("hold", way, sessions) as child:
            answer(child, sessions)
            yield

    def memory_kib(self, way: str) -> int:
        return self.relays[way].memory_kib()


def answer(child: Child, sessions: int, *, seconds: float = 0) -> Row:
    told: Row = json.loads(child.answer(deadline_s=60 + SESSION_S * sessions + seconds))
    return told


def number(told: Row, name: str) -> float:
    return float(str(told[name]))


def together(bench: Bench, ways: Sequence[str]) -> dict[str, Row]:
    """All relays' silent sessions are there for all rounds. `ways` begins with the straight one."""
    options = bench.options
    found: dict[str, Row] = {}
    rounds: list[dict[str, Row]] = []
    with ExitStack() as held:
        for way in ways:
            idle = min(options.idle, WEBSOCKIFY_IDLE) if way == "websockify" else options.idle
            before_kib = bench.memory_kib(way)
            held.enter_context(bench.holding(way, idle))
            kib = bench.memory_kib(way)
            found[way] = {"idle_sessions": idle, "resident_mib": round(kib / 1024),
                          "kib_per_idle_link": round((kib - before_kib) / 2 / idle, 1)}  # fmt: skip
            print(f"{way}: {found[way]}", file=sys.stderr)
        for _ in range(options.rounds):
            rounds.append({})
            for way in ways:
                told = bench.done(
                    "busy", way, options.busy, size_bytes=SIZE, per_s=PER_S, seconds=options.together_seconds
                )
                rounds[-1] |= {way: told} if told else {}
                print(f"{way}: {told}", file=sys.stderr)
    for way, row in found.items():
        row |= _over_rounds(way, rounds, options)
    return found


def _over_rounds(way: str, rounds: Sequence[dict[str, Row]], options: argparse.Namespace) -> Row:
    """The medians of those that are counted for this way; what it adds is None when there are none."""
    told = [one[way] for one in rounds if way in one]
    row: Row = {"busy_sessions": options.busy, "rounds": len(told)}
    for base, name in BASES.items():
        counted = [
            (one[base], one[way])
            for one in rounds
            if {base, way} <= one.keys() and not (_late(one[way]) or _late(one[base]))
        ]
        row |= {f"{name}_counted": len(counted), name: None}
        if counted:
            row[name] = {
                cut: round(median(_cut(one, "took_ms", cut) - _cut(less, "took_ms", cut) for less, one in counted), 3)
                for cut in CUTS
            }
    if told:
        for name in ("took_ms", "late_ms"):
            row[name] = {cut: round(median(_cut(one, name, cut) for one in told), 3) for cut in CUTS}
        row["cpus"] = round(median(number(one, "cpu_s") for one in told) / options.together_seconds, 3)
    return row


def _cut(told: Row, name: str, cut: str) -> float:
    values = told[name]
    assert isinstance(values, dict)
    return float(values[cut])


def _late(told: Row) -> bool:
    return _cut(told, "late_ms", "p99") > LATE_MS


def throughput(bench: Bench, ways: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    seen: dict[str, dict[int, list[tuple[float, float]]]] = {way: {size: [] for size in SIZES} for way in ways}
    for _ in range(bench.options.rounds):
        for size in SIZES:
            for way in ways:
                told = bench.done("stream", way, STREAMS, size_bytes=size, seconds=bench.options.seconds)
                if told is None:
                    continue
                cpu_s = max(number(told, "cpu_s"), 1 / os.sysconf("SC_CLK_TCK"))
                mb_per_cpu_s, busy = number(told, "bytes") / 1e6 / cpu_s, cpu_s / number(told, "wall_s")
                seen[way][size].append((mb_per_cpu_s, busy))
                print(f"{way} {size}: {mb_per_cpu_s:.0f} MB per CPU s, busy {busy:.0%}", file=sys.stderr)
    return {
        way: {
            str(size): {"mb_per_cpu_s": round(median(mb for mb, _ in found), 1),
                        "cpus": round(median(busy for _, busy in found), 2)}
            for size, found in sizes.items() if found
        }
        for way, sizes in seen.items()
    }  # fmt: skip


def round_trips(bench: Bench, ways: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {way: {} for way in ways}
    for size in SIZES:
        for way in ways:
            found[way][str(size)] = bench.done("latency", way, size_bytes=size, count=ECHOES)
    print(f"round trips: {found} us", file=sys.stderr)
    return found


def set_ups(bench: Bench, ways: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for way in ways:
        told = bench.done("set_up", way, SET_UPS)
        if told is not None:
            found[way] = {"per_s": round(SET_UPS / number(told, "wall_s"), 1),
                          "per_cpu_s": round(SET_UPS / max(number(told, "cpu_s"), 0.01), 1)}  # fmt: skip
            print(f"{way}: set up {found[way]}", file=sys.stderr)
    return found


def goals(passed: dict[str, dict[str, dict[str, float]]], busy: dict[str, Row]) -> dict[str, bool | None]:
    """None: it was not measured."""
    found: dict[str, bool | None] = {}
    mb = {way: sizes[str(SIZE)]["mb_per_cpu_s"] for way, sizes in passed.items() if str(SIZE) in sizes}
    for way in [way for way in passed if WAYS[way] == "gateway"]:
        for other in GOALS.keys() & passed.keys():
            found[f"{way}: {GOALS[other]} times {other}'s bytes per CPU second at 8 KiB"] = (
                mb[way] >= GOALS[other] * mb[other] if {way, other} <= mb.keys() else None
            )
        row = busy.get(way, {})
        for base, name in BASES.items():
            found[f"{way}: adds at most {ADDED_P99_MS} ms p99 to {base}"] = (
                _cut(row, name, "p99") <= ADDED_P99_MS if row.get(name) else None
            )
        found[f"{way}: under {IDLE_KIB:.0f} KiB per idle link"] = (
            number(row, "kib_per_idle_link") < IDLE_KIB if row else None
        )
    return found


def measure(options: argparse.Namespace) -> Row:
    surroundings = Surroundings()
    ways = [way for way in WAYS if not options.only or way in options.only]
    relayed = [way for way in ways if WAYS[way]]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fz-bench-gw-")))
        port = free_port()
        server = stack.enter_context(Child("plain_server.py", directory / SOCKET, port, certified(directory)))
        controller = stack.enter_context(Child("behind_gateway.py", directory, directory / SOCKET))
        for child in (server, controller):
            assert child.answer() == "ready"
        bench = Bench(directory, controller, options)
        bench.relays |= {"straight": Relay(0, 0), "tls": Relay(0, port)}
        for way in relayed:
            bench.relays[way] = stack.enter_context(running(WAYS[way], directory))
        # First: what a relay has carried before is in its memory.
        busy = bench.attempts.take("together", lambda: together(bench, ways)) or {}
        passed = throughput(bench, relayed)
        result: Row = {
            "together": busy, "throughput": passed, "round_trip_us": round_trips(bench, ways),
            "sessions": set_ups(bench, relayed),
        }  # fmt: skip
    machine = {**surroundings.facts(), "versions": versions()}
    met = {**goals(passed, busy), "every part was measured": not bench.attempts.failed}
    return {**result, "failed": bench.attempts.failed, "goals": met, "machine": machine}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="of each throughput (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of what varies (default: %(default)s)")
    parser.add_argument("--idle", type=int, default=1000, help="silent sessions (default: %(default)s)")
    parser.add_argument("--busy", type=int, default=50, help="busy sessions beside them (default: %(default)s)")
    parser.add_argument("--together-seconds", type=float, default=5.0, help="of those (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=WAYS, help="these ways and no others")
    options = parser.parse_args(argv)
    if absent := missing():
        print(f"Not installed: {' '.join(absent)}. Run: python3 scripts/bootstrap soak", file=sys.stderr)
        return 2
    try:
        allow_files(len(WAYS) * 2 * (options.idle + options.busy) + 1000)
    except RuntimeError as exc:
        print(exc, file=sys.stderr)
        return 2
    return report(measure(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
