#!/usr/bin/env python3
"""How late a process wakes up on a busy host, as the gateway does for each key. Its last line is one JSON object.

    .venv/bin/python bench/busy_host.py [--busy 6] [--seconds 4] [--rounds 5]

Needs root and cpu cgroups v1. So many processes that never rest are in cgroups of their own, as libvirt keeps each
QEMU in one. Beside them a process sleeps 5 ms again and again, in a session of its own, as `frazil up` starts the
gateway: once as any other process, once going first (`frazil.cli.supervisor.precedence`). The two take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from figures import Surroundings, report, spread

from frazil.cli.supervisor import precedence

CPU = Path("/sys/fs/cgroup/cpu/frazil-bench")
SLEEPER = """
import json, sys, time
sys.stdin.readline()
late, end_s = [], time.perf_counter() + float(sys.argv[1])
while (began_s := time.perf_counter()) < end_s:
    time.sleep(0.005)
    late.append(1000 * (time.perf_counter() - began_s - 0.005))
print(json.dumps(late))
"""


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that never rest, each in a cgroup of its own under one that all share."""
    CPU.mkdir()
    with contextlib.ExitStack() as stack:
        stack.callback(CPU.rmdir)
        for nth in range(count):
            own = CPU / str(nth)
            own.mkdir()
            stack.callback(own.rmdir)
            one = subprocess.Popen(["sh", "-c", f"echo $$ > {own}/cgroup.procs; while :; do :; done"])
            stack.callback(one.wait)
            stack.callback(one.kill)
        yield


def late_ms(seconds: float, *, ahead: bool) -> list[float]:
    """Of each of its wakings."""
    sleeper = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    if ahead:
        precedence.give(sleeper.pid)
    said, _ = sleeper.communicate("go\n")
    found: list[float] = json.loads(said)
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="How late a process wakes up on a busy host.")
    parser.add_argument("--busy", type=int, default=6, help="processes that never rest (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4, help="of each turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    options = parser.parse_args(arguments)
    surroundings = Surroundings()
    found: dict[str, list[float]] = {"as any other": [], "ahead": []}
    with busy(options.busy):
        for _ in range(options.rounds):
            for way, late in found.items():
                late += late_ms(options.seconds, ahead=way == "ahead")
    late = {way: spread(values) for way, values in found.items()}
    goals = {"ahead: p95 at most a half": late["ahead"]["p95"] <= late["as any other"]["p95"] / 2}
    return report({"busy": options.busy, "late_ms": late, "goals": goals, "machine": surroundings.facts()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
