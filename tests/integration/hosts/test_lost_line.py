"""A line between a gateway and a host that is dead without a word, as when a cable is pulled: each end notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from frazil.gateway.remote_displays import RemoteDisplays
from frazil.model.desktop import Epoch
from frazil.server import remote_displays
from frazil.server.images.handing import Handing
from frazil.trust import carry, contexts
from frazil.trust.peers import Peer, make_peers_authority
from frazil.wire.hostlink import EpochField
from frazil.wire.sessions import Route
from tests.harness.ports import free_port
from tests.integration.gateway.vanishing import vanish
from tests.integration.hosts.test_transfer import INSTALLATION, NOW, trusted

LOST_AFTER_S = 4
FIRST = bytes(100)
"""What a display says at first: with less than this of it, a host keeps its socket for half a minute (ADR 0205)."""


class Line:
    """A TCP relay, of which both sides can vanish."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sockets: list[socket.socket] = []
        self.dead = False
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        there, to_there = await asyncio.open_connection("127.0.0.1", self._port)
        self._sockets += [end.get_extra_info("socket") for end in (writer, to_there)]
        ways = [asyncio.create_task(_pour(reader, to_there)), asyncio.create_task(_pour(there, writer))]
        try:
            await asyncio.wait(ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, to_there):
                end.transport.abort()

    def go_dead(self) -> None:
        self.dead = True
        for one in self._sockets:
            vanish(one)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


@dataclass
class Looking:
    """display: the desktop's end. viewer: what the gateway has of it."""

    line: Line
    display: socket.socket
    viewer: socket.socket

    async def passes(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            await loop.sock_sendall(self.display, FIRST)
            assert await loop.sock_recv(self.viewer, 1 << 16) == FIRST
            await loop.sock_sendall(self.viewer, b"key")
            assert await loop.sock_recv(self.display, 1 << 16) == b"key"


@asynccontextmanager
async def looking(tmp_path: Path) -> AsyncIterator[Looking]:
    authority = make_peers_authority(now=NOW)
    there = trusted(tmp_path / "there", authority, Peer(INSTALLATION, "host", "there"))
    here = trusted(tmp_path / "here", authority, Peer(INSTALLATION, "gateway"), pair="gateway.pem")
    display, given = socket.socketpair()
    display.setblocking(False)

    async def open_display(desktop_id: str, epoch: Epoch) -> int:
        return given.detach()

    port = free_port()
    serving = asyncio.create_task(
        remote_displays.serve(
            f"127.0.0.1:{port}",
            contexts.listening(there / "host.pem", there / "authority.pem"),
            open_display=open_display,
            handing=Handing(lambda image_id: None),
            is_revoked=lambda known_key: False,
        )
    )
    line = Line(port)
    relay = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    route = Route(
        session_id="s",
        desktop_id="d",
        desktop_name="d",
        host_id="there",
        epoch=EpochField(generation=0, counter=1),
        host_address=f"127.0.0.1:{relay.sockets[0].getsockname()[1]}",
    )
    async with relay:
        viewer = await RemoteDisplays(here).open(route)
        try:
            yield Looking(line, display, viewer)
        finally:
            viewer.close()
            display.close()
            if line.dead:
                for task in line.tasks:
                    task.cancel()
            await asyncio.wait(line.tasks, timeout=30)  # what comes last is the gateway's end
            serving.cancel()
            await asyncio.wait({serving})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "LOST_AFTER_S", LOST_AFTER_S)


async def test_both_ends_of_a_dead_line_are_told(tmp_path: Path) -> None:
    """Without it the one looks at a still picture, and the other has its display's place taken, for a quarter of an
    hour."""
    async with looking(tmp_path) as one:
        await one.passes()
        one.line.go_dead()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            said = await asyncio.gather(loop.sock_recv(one.viewer, 1), loop.sock_recv(one.display, 1))
        assert list(said) == [b"", b""]


async def test_a_line_on_which_nothing_is_said_is_not_dead(tmp_path: Path) -> None:
    async with looking(tmp_path) as one:
        await one.passes()
        with pytest.raises(TimeoutError):  # so long nothing comes, an end neither
            async with asyncio.timeout(2 * LOST_AFTER_S):
                await asyncio.get_running_loop().sock_recv(one.viewer, 1)
        await one.passes()
