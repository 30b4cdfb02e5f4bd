#!/usr/bin/env python3
"""Frazil's gateway beside HAProxy (TLS to TCP) and websockify: what a relay costs. Its last line is one JSON object.

    .venv/bin/python bench/gateway.py [--seconds 1.5] [--rounds 2] [--idle 1000] [--busy 50] [--only WAY ...]

Needs Debian's haproxy and websockify. No root, no libvirt: the back end is a plain socket that speaks SPICE, the same
for all, and the controller is the tests' own. All relays run one process with one thread (websockify makes a process
for each connection), serve the same certificate and speak TLS 1.3 with the same cipher. Relay, back end and viewers are
processes of their own, and only the relay's time is counted.

The ways: `straight` to the back end, `tunnel` (HTTP CONNECT) and `websocket` through the gateway, `haproxy`,
`websockify`. By each, real SPICE sessions are made: a main link and a display link.

`mb_per_cpu_s`: megabytes (10^6) that one second of the relay's CPU carries, in messages of so many bytes, over
`STREAMS` links as fast as they go; the median of the rounds. `cpus`: how busy the relay was meanwhile. `round_trip_us`:
asking for such a message and having it, one at a time. `sessions`: main links until their first message, eight at once,
by the clock and by the relay's CPU time. `kib_per_idle_link`: resident memory per link, of 100. `together`: --idle
sessions that are silent and --busy ones that each ask for 8 KiB twenty times a second; `added_ms` is what each
percentile is above the straight way's; `late_ms` is how late the asking was, and tells a machine that is too busy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from figures import Surroundings, report

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from behind_gateway import SOCKET  # noqa: E402
from relays import COMMANDS, Relay, missing, running, trust  # noqa: E402

SIZES = (64, 1 << 10, 8 << 10, 64 << 10)
SIZE = 8 << 10
STREAMS = 4
ECHOES = 400
SET_UPS = 200
IDLE_SESSIONS = 50
PER_S = 20.0
WEBSOCKIFY_IDLE = 50
"""It makes a process for each link; thousands of them would fill the machine."""
WAYS = {"straight": "", "tunnel": "gateway", "websocket": "gateway", "haproxy": "haproxy", "websockify": "websockify"}
GOALS = {"haproxy": 0.5, "websockify": 5.0}
"""So many times the bytes per CPU second of that relay, at 8 KiB."""
ADDED_P99_MS = 1.0
IDLE_KIB = 100.0


class Bench:
    """Everything that runs meanwhile. `say` is told how it goes."""

    def __init__(self, directory: Path, behind: subprocess.Popen[str], options: argparse.Namespace) -> None:
        self._directory = directory
        self._behind = behind
        self.options = options
        self.relays: dict[str, Relay] = {}

    def relay(self, way: str) -> Relay:
        return self.relays.get(WAYS[way], Relay(0, 0))

    def load(self, do: str, way: str, sessions: int, **work: object) -> subprocess.Popen[str]:
        """A load generator at work."""
        relay = self.relay(way)
        assert self._behind.stdin
        assert self._behind.stdout
        print(sessions, file=self._behind.stdin, flush=True)
        told = dict(
            do=do, way=way, back_end=str(self._directory / SOCKET), port=relay.port, pid=relay.pid,
            trust=str(trust(self._directory)) if WAYS[way] else "",
            sessions=json.loads(self._behind.stdout.readline()), **work,
        )  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, HERE / "relay_load.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin
        print(json.dumps(told), file=process.stdin, flush=True)
        return process

    def done(self, do: str, way: str, sessions: int = 1, **work: object) -> dict[str, object]:
        """A load generator's whole answer."""
        with self.load(do, way, sessions, **work) as process:
            return answer(process)

    @contextmanager
    def holding(self, way: str, sessions: int) -> Iterator[None]:
        """So many silent sessions."""
        with self.load("hold", way, sessions) as process:
            answer(process)
            yield


def answer(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the load generator ended without an answer; what it said stands above")
    told: dict[str, object] = json.loads(line)
    return told


def number(told: dict[str, object], name: str) -> float:
    return float(str(told[name]))


def throughput(bench: Bench, ways: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """By way and size; the rounds alternate, so that a machine that slows down meanwhile slows all."""
    seen: dict[str, dict[int, list[tuple[float, float]]]] = {way: {size: [] for size in SIZES} for way in ways}
    for _ in range(bench.options.rounds):
        for size in SIZES:
            for way in ways:
                told = bench.done("stream", way, STREAMS, size_bytes=size, seconds=bench.options.seconds)
                cpu_s = number(told, "cpu_s")
                seen[way][size].append((number(told, "bytes") / 1e6 / cpu_s, cpu_s / number(told, "wall_s")))
                print(f"{way} {size}: {seen[way][size][-1][0]:.0f} MB per CPU s, busy {seen[way][size][-1][1]:.0%}",
                      file=sys.stderr)  # fmt: skip
    return {
        way: {
            str(size): {"mb_per_cpu_s": round(median(mb for mb, _ in found), 1),
                        "cpus": round(median(busy for _, busy in found), 2)}
            for size, found in sizes.items()
        }
        for way, sizes in seen.items()
    }  # fmt: skip


def round_trips(bench: Bench, ways: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for way in ways:
        found[way] = {str(size): bench.done("latency", way, size_bytes=size, count=ECHOES) for size in SIZES}
        print(f"{way}: round trips {found[way]} us", file=sys.stderr)
    return found


def set_ups(bench: Bench, ways: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for way in ways:
        told = bench.done("set_up", way, SET_UPS)
        found[way] = {"per_s": round(SET_UPS / number(told, "wall_s"), 1),
                      "per_cpu_s": round(SET_UPS / number(told, "cpu_s"), 1)}  # fmt: skip
        print(f"{way}: set up {found[way]}", file=sys.stderr)
    return found


def idle_links(bench: Bench, ways: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for way in ways:
        before_kib = bench.relay(way).memory_kib()
        with bench.holding(way, IDLE_SESSIONS):
            found[way] = round((bench.relay(way).memory_kib() - before_kib) / (2 * IDLE_SESSIONS), 1)
        print(f"{way}: {found[way]} KiB per idle link", file=sys.stderr)
    return found


def together(bench: Bench, ways: Sequence[str]) -> dict[str, dict[str, object]]:
    """`ways` begins with the straight one."""
    options, found = bench.options, {}
    straight = {"p50": 0.0, "p99": 0.0}
    for way in ways:
        idle = min(options.idle, WEBSOCKIFY_IDLE) if way == "websockify" else options.idle
        before_kib = bench.relay(way).memory_kib() if bench.relay(way).pid else 0
        with bench.holding(way, idle):
            told = bench.done("busy", way, options.busy, size_bytes=SIZE, per_s=PER_S, seconds=options.together_seconds)
            after_kib = bench.relay(way).memory_kib() if bench.relay(way).pid else 0
        took_ms = told["took_ms"]
        assert isinstance(took_ms, dict)
        straight = took_ms if way == "straight" else straight
        found[way] = {
            "idle_sessions": idle, "busy_sessions": options.busy, "round_trips": told["count"],
            "took_ms": took_ms, "late_ms": told["late_ms"],
            "added_ms": {name: round(took_ms[name] - straight[name], 3) for name in took_ms},
            "cpus": round(number(told, "cpu_s") / options.together_seconds, 3),
            "resident_mib": round(after_kib / 1024), "kib_per_idle_link": round((after_kib - before_kib) / 2 / idle, 1),
        }  # fmt: skip
        print(f"{way}: {found[way]}", file=sys.stderr)
    return found


def goals(result: dict[str, object], ways: Sequence[str]) -> dict[str, bool]:
    passed, idle, busy = result["throughput"], result["kib_per_idle_link"], result["together"]
    assert isinstance(passed, dict)
    assert isinstance(idle, dict)
    assert isinstance(busy, dict)
    found: dict[str, bool] = {}
    for way in [way for way in ways if WAYS[way] == "gateway"]:
        mb = passed[way][str(SIZE)]["mb_per_cpu_s"]
        for other, times in GOALS.items():
            if other in passed:
                found[f"{way}: {times} times {other}'s bytes per CPU second at 8 KiB"] = (
                    mb >= times * passed[other][str(SIZE)]["mb_per_cpu_s"]
                )
        if "straight" in busy:
            found[f"{way}: adds at most {ADDED_P99_MS} ms p99"] = busy[way]["added_ms"]["p99"] <= ADDED_P99_MS
        found[f"{way}: under {IDLE_KIB:.0f} KiB per idle link"] = idle[way] < IDLE_KIB
    return found


def measure(options: argparse.Namespace) -> dict[str, object]:
    surroundings = Surroundings()
    ways = [way for way in WAYS if not options.only or way in options.only]
    relayed = [way for way in ways if WAYS[way]]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fz-bench-gw-")))
        behind = stack.enter_context(
            subprocess.Popen([sys.executable, HERE / "behind_gateway.py", directory], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        )  # fmt: skip
        assert behind.stdout
        assert behind.stdout.readline() == "ready\n"
        bench = Bench(directory, behind, options)
        for name in COMMANDS:
            if name in [WAYS[way] for way in ways]:
                bench.relays[name] = stack.enter_context(running(name, directory))
        result: dict[str, object] = {
            "kib_per_idle_link": idle_links(bench, relayed),
            "throughput": throughput(bench, relayed),
            "round_trip_us": round_trips(bench, ways),
            "sessions": set_ups(bench, relayed),
            "together": together(bench, ways),
        }
        assert behind.stdin
        behind.stdin.close()
    return {**result, "goals": goals(result, relayed), "machine": surroundings.facts()}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="of each throughput (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="of all throughputs (default: %(default)s)")
    parser.add_argument("--idle", type=int, default=1000, help="silent sessions (default: %(default)s)")
    parser.add_argument("--busy", type=int, default=50, help="busy sessions beside them (default: %(default)s)")
    parser.add_argument("--together-seconds", type=float, default=8.0, help="of those (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=WAYS, help="these ways and no others")
    options = parser.parse_args(argv)
    if absent := missing():
        print(f"Not installed: {' '.join(absent)}. Install with: apt install {' '.join(absent)}", file=sys.stderr)
        return 2
    return report(measure(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
