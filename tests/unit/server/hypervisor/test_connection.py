"""Calls to libvirt that nobody waits for any more."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from unittest.mock import Mock

import libvirt
import pytest

from frazil.model.errors import Unavailable
from frazil.server.hypervisor.connection import Connection

DEADLINE_S = 30.0


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr(libvirt, "open", Mock())
    connection = Connection("test:///none", threads=1, name="test")
    yield connection
    connection.close()


class Slow:
    """Opens a descriptor, but hands it over only when it may."""

    def __init__(self) -> None:
        self.began, self.may = threading.Event(), threading.Event()
        self.read, self.write = os.pipe()

    def __call__(self, _connection: object) -> int:
        self.began.set()
        assert self.may.wait(DEADLINE_S)
        return self.write

    async def closed(self) -> None:
        """Return when nobody has the descriptor any more."""
        with open(self.read, "rb") as end:
            async with asyncio.timeout(DEADLINE_S):
                assert await asyncio.to_thread(end.read) == b""


async def test_what_comes_after_the_deadline_is_discarded(connection: Connection) -> None:
    slow = Slow()
    with pytest.raises(Unavailable, match="did not answer"):
        await connection.call(slow, doing="open it", deadline_s=0.05, discard=os.close)
    slow.may.set()
    await slow.closed()


async def test_what_comes_after_a_cancellation_is_discarded(connection: Connection) -> None:
    slow = Slow()
    calling = asyncio.create_task(connection.call(slow, doing="open it", discard=os.close))
    await asyncio.to_thread(slow.began.wait, DEADLINE_S)
    calling.cancel()
    await asyncio.wait({calling})
    assert calling.cancelled()
    slow.may.set()
    await slow.closed()


async def test_what_comes_in_time_is_the_callers(connection: Connection) -> None:
    slow = Slow()
    slow.may.set()
    taken = await connection.call(slow, doing="open it", discard=os.close)
    os.write(taken, b"open")
    os.close(taken)
    assert os.read(slow.read, 4) == b"open"
    os.close(slow.read)


async def test_a_late_error_is_nobodys(connection: Connection) -> None:
    discarded: list[object] = []
    may = threading.Event()

    def fails(_connection: object) -> int:
        assert may.wait(DEADLINE_S)
        raise libvirt.libvirtError("too late")

    with pytest.raises(Unavailable):
        await connection.call(fails, doing="open it", deadline_s=0.05, discard=discarded.append)
    may.set()
    assert await connection.call(lambda _: 7, doing="go on") == 7
    assert discarded == []
