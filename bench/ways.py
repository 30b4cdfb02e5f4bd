"""The ways from a viewer to a SPICE server that `bench/viewer.py` compares, and the lines that they go over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from children import Child
from relays import running, trust

from frazil.wire.rest import Ticket
from tests.harness.busy_screen import BusyScreen
from tests.harness.headless import Headless, straight, tunnel, viewer

LINES: dict[str, tuple[float, float]] = {
    "loopback": (0, 10_000), "20_ms_50_mbit": (20, 50), "20_ms_10_mbit": (20, 10), "80_ms_50_mbit": (80, 50),
    "80_ms_10_mbit": (80, 10),
}  # fmt: skip
"""Round trip in milliseconds and megabits a second."""
DELAYED = [name for name, (round_trip_ms, _) in LINES.items() if round_trip_ms]
THROUGH = ("websocket", "tunnel")
"""Both ways through the gateway: a page's, and a native viewer's."""
WAYS = ("straight", *THROUGH)


@dataclass(frozen=True, slots=True)
class Behind:
    """A SPICE server's TCP port, and a gateway that reaches the same server as Frazil's does."""

    server_port: int
    directory: Path
    gateway_port: int
    controller: Child

    @contextmanager
    def over(self, line: str) -> Iterator[Ports]:
        """Both of them at the far end of that line."""
        with line_to(self.server_port, line) as own, line_to(self.gateway_port, line) as gateway:
            yield Ports(self, own, gateway)

    def ticket(self) -> Ticket:
        """For a new session."""
        self.controller.tell("1")
        ((session_id, ticket),) = json.loads(self.controller.answer())
        return Ticket(ticket=ticket, expires_at=datetime.now(UTC), spice_path=f"/spice/{session_id}")


@dataclass(frozen=True, slots=True)
class Ports:
    """The near ends of a line."""

    behind: Behind
    straight: int
    gateway: int

    def look(self, way: str) -> AbstractAsyncContextManager[Headless]:
        """A viewer by one of `WAYS`, which can show video."""
        if way == "straight":
            return straight(self.straight, video=True)
        made = viewer if way == "websocket" else tunnel
        return made(f"localhost:{self.gateway}", trust(self.behind.directory), self.behind.ticket(), video=True)


@contextmanager
def in_front_of(guest: BusyScreen, directory: Path) -> Iterator[Behind]:
    """A gateway and the tests' own controller, in `directory`; and QEMU with a port, for those who come straight."""
    monitors = guest.monitors
    with (
        Child("behind_gateway.py", directory, monitors[0], "--monitor") as controller,
        Child("spice_port.py", monitors[1]) as port,
    ):
        server_port = int(port.answer())
        assert controller.answer() == "ready"
        with running("gateway", directory) as relay:
            yield Behind(server_port, directory, relay.port, controller)


@contextmanager
def line_to(target: int | Path, name: str) -> Iterator[int]:
    """The port at which `target` is behind that line."""
    round_trip_ms, mbit = LINES[name]
    with Child("line.py", target, "--round-trip-ms", round_trip_ms, "--mbit", mbit) as line:
        yield int(line.answer())
