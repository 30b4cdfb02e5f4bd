"""Simulated hosts for `bench/fleet.py`, in one process.

    python bench/fleet_hosts.py SOCKET HOSTS

Any line on its standard input is answered by one of JSON: what runs, what was started, what was heard of pools.
Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

import structlog
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.fakes.simulated_host import Timings
from tests.harness.controller_process import INSTALLATION
from tests.harness.fleet import Fleet


async def main(socket: Path, count: int) -> None:
    fleet = Fleet(socket, count, installation_id=INSTALLATION, timings=Timings.measured())
    async with fleet.running():
        while await asyncio.to_thread(sys.stdin.readline):
            told = {
                "running": len(list(fleet.where())), "started": fleet.started(), "twice": fleet.twice(),
                "unshared_at_s": fleet.unshared_at_s,
            }  # fmt: skip
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
