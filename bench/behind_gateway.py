"""What the gateway of a benchmark asks: a controller and a server's display socket, both the tests' own.

    python bench/behind_gateway.py DIRECTORY BACK_END [--monitor]

All sessions lead to one SPICE server. BACK_END is its socket, or with --monitor that of a QEMU's monitor: then it is
given links as a desktop's QEMU is. Prints `ready` once all sockets are there; each
number read from the standard input is answered by a line of JSON with so many sessions, `[[session id, ticket], ...]`.
Ends with its
standard input.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monitor import Monitor

from frazil.server.hypervisor.display_pair import connected_pair
from frazil.settings import Settings
from tests.integration.gateway.controller import FakeController
from tests.integration.gateway.display_server import DisplayServer


def settings_in(directory: Path, *, port: int = 0) -> Settings:
    return Settings(state_dir=directory / "state", run_dir=directory / "run", listen=f"127.0.0.1:{port}")


class Displays(DisplayServer):
    """Of a QEMU, as a host's server opens them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._monitor = Monitor(path)

    def connected(self) -> socket.socket:
        qemus, gateways = connected_pair()
        with qemus:
            self._monitor.add_viewer(qemus)
        return gateways


async def main(directory: Path, displays: DisplayServer) -> None:
    settings = settings_in(directory)
    controller = FakeController()
    async with (
        displays.running(settings.display_socket),
        controller.running(settings.internal_socket, settings.public_socket),
    ):
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            sessions = [controller.open_session() for _ in range(int(line))]
            print(json.dumps([[one, controller.mint(one)] for one in sessions]), flush=True)


if __name__ == "__main__":
    given = Path(sys.argv[2])
    uvloop.run(main(Path(sys.argv[1]), Displays(given) if "--monitor" in sys.argv[3:] else DisplayServer(given)))
