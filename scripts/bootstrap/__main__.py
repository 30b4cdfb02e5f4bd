"""Put on this machine what Frazil needs: Debian packages, the Python environment, the browser code.

    python3 scripts/bootstrap run     what `make run` needs
    python3 scripts/bootstrap check   what `make check` needs
    python3 scripts/bootstrap test    what `make test` needs
    python3 scripts/bootstrap soak    what `make soak` and the benchmarks need

Only the standard library of the system's Python is used. What is there already is left alone: packages are looked up
in dpkg's database, the environment and the browser code carry a stamp with the hash of what they were made from. How
long each phase took is appended to build/phases.jsonl, one JSON object a line.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import browser
import debian
import environment
from progress import Board, Failed

ROOT = Path(__file__).resolve().parents[2]
GOALS = {
    "run": {"packages": ("build", "run"), "lock": "requirements.lock"},
    "check": {"packages": ("build",), "lock": "requirements-dev.lock"},
    "test": {"packages": ("build", "run", "test"), "lock": "requirements-dev.lock"},
    "soak": {"packages": ("build", "run", "test", "bench"), "lock": "requirements-dev.lock"},
}


def install(goal: str, board: Board) -> None:
    """Everything for `goal`. The environment, the browser code and the packages to run are made at the same time."""
    log = ROOT / "build" / "apt.log"
    sections = debian.read_list(ROOT / "debian-packages.txt")
    first, *later = GOALS[goal]["packages"]
    debian.install(sections[first], title="Debian packages to build with", log=log, board=board)
    wanted = [package for section in later for package in sections[section]]
    with ThreadPoolExecutor(max_workers=3) as pool:
        jobs: list[Future[None]] = [
            pool.submit(debian.install, wanted, title="Debian packages to run with", log=log, board=board),
            pool.submit(environment.make, ROOT, lock=ROOT / str(GOALS[goal]["lock"]), board=board),
            pool.submit(browser.build, ROOT, board=board),
        ]
        errors = [error for job in jobs if (error := job.exception()) is not None]
    for error in errors:
        raise error


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in GOALS:
        print(__doc__, file=sys.stderr)
        return 2
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    began = time.monotonic()
    board = Board(sys.stderr, history=build / "phases.jsonl")
    code = 0
    try:
        with (build / "bootstrap.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once: the second waits, then finds all done
            install(arguments[0], board)
    except Failed as failure:
        code, words = 1, str(failure)
    except KeyboardInterrupt:
        code, words = 130, "Stopped. Run the same command again to go on from here."
    board.close()
    if board.phases:
        record = {
            "goal": arguments[0],
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "total_s": round(time.monotonic() - began, 1),
            "ended": code,
            "phases": board.phases,
        }
        with (build / "phases.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")
    if code:
        print(f"\n{words}", file=sys.stderr)
    elif board.phases:
        print(f"Installed in {record['total_s']} s; the times are in {build / 'phases.jsonl'}.", file=sys.stderr)
    return code


if __name__ == "__main__":
    os.umask(0o022)  # the unprivileged processes read what is installed here
    sys.exit(main(sys.argv[1:]))
