#!/usr/bin/env python3
"""What headless viewers cost: `frazil spice load` on fake desktops. Prints one JSON object as its last line.

    .venv/bin/python bench/spice_load.py [--viewers 50] [--seconds 10] [--keys-per-second 4] [--drawings-per-second 20]

No guest is started: a process beside this one plays the desktops, and answers each key with two drawings that the real
spice-server once sent. Twice: `typing`, on screens on which nothing else moves, and `busy`, where so many drawings of
16 KiB come beside that in each second. `cpu_ms_per_viewer_s` is this process's time for a viewer in a second,
`cpu_ms_per_drawing` the same time for each drawing that came. `key_to_picture_ms` has the fakes' own time in it, and on
busy screens any drawing is taken for an answer. The goal: all viewers together take less than one core.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from figures import ROOT, Surroundings, report, spread

from frazil.viewer import Address
from frazil.viewer.connecting import Where
from frazil.viewer.load import Load, Measured, Plan

CORES = 1.0


def at(path: Path) -> Callable[[], Awaitable[Where]]:
    async def where() -> Where:
        return Address(path=path)

    return where


def run(viewers: int, plan: Plan, *, drawings_per_s: float) -> Measured:
    with tempfile.TemporaryDirectory(prefix="fz-load-") as place:
        argv = [sys.executable, str(ROOT / "bench" / "many_desktops.py"), place, str(viewers), str(drawings_per_s)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as desktops:
            assert desktops.stdout is not None
            assert desktops.stdin is not None
            assert desktops.stdout.readline() == b"ready\n"

            async def measure() -> Measured:
                return await Load([at(Path(place) / str(number)) for number in range(viewers)], plan).run()

            try:
                return asyncio.run(measure())
            finally:
                desktops.stdin.close()


def row(found: Measured) -> dict[str, object]:
    return {
        "viewers": found.viewers,
        "seconds": round(found.seconds, 1),
        "keys": found.keys,
        "unanswered": found.unanswered,
        "drawings": found.drawings,
        "received_bytes": found.received_bytes,
        "cores": round(found.cpu_s / found.seconds, 3),
        "cpu_ms_per_viewer_s": round(1000 * found.cpu_s / found.seconds / max(1, found.viewers), 2),
        "cpu_ms_per_drawing": round(1000 * found.cpu_s / max(1, found.drawings), 3),
        "key_to_picture_ms": spread(found.took_ms, digits=1) if found.took_ms else None,
        "failures": {failure.code: failure.viewers for failure in found.failures},
    }


def measure(options: argparse.Namespace) -> dict[str, object]:
    surroundings = Surroundings()
    plan = Plan(seconds=options.seconds, keys_per_s=options.keys_per_second)
    typing = run(options.viewers, plan, drawings_per_s=0)
    busy = run(options.viewers, plan, drawings_per_s=options.drawings_per_second)
    cores = max(one.cpu_s / one.seconds for one in (typing, busy))
    whole = all(one.viewers == options.viewers and not one.failures for one in (typing, busy))
    return {
        "benchmark": "spice_load",
        "keys_per_s": options.keys_per_second,
        "drawings_per_s": options.drawings_per_second,
        "typing": row(typing),
        "busy": row(busy),
        "goals": {
            "every viewer stayed": whole,
            f"{options.viewers} viewers in less than a core": cores < CORES,
        },
        "machine": surroundings.facts(),
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--viewers", type=int, default=50)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--keys-per-second", type=float, default=4.0)
    options.add_argument("--drawings-per-second", type=float, default=20.0)
    return report(measure(options.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
