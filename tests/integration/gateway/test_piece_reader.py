"""A back end's socket, read by the pieces in which it comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from frazil.gateway.piece_reader import PIECE_BYTES, PieceReader, connected


@asynccontextmanager
async def link() -> AsyncIterator[tuple[PieceReader, asyncio.StreamWriter, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    reader, writer = await connected(ours)
    try:
        with theirs:
            yield reader, writer, theirs
    finally:
        writer.close()
        await writer.wait_closed()


async def test_what_comes_is_read_to_the_end() -> None:
    async with link() as (reader, writer, theirs):
        theirs.sendall(b"0123456789")
        assert await reader.readexactly(4) == b"0123"
        assert await reader.read(3) == b"456"
        theirs.sendall(b"ab")
        assert await reader.readexactly(5) == b"789ab"
        writer.write(b"answer")
        await writer.drain()
        assert theirs.recv(16) == b"answer"
        theirs.sendall(b"last")
        theirs.shutdown(socket.SHUT_WR)
        assert await reader.read(100) == b"last"
        assert await reader.read(100) == b""
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readexactly(1)


async def test_two_links_share_a_buffer_and_no_byte() -> None:
    async with link() as (first, _, to_first), link() as (second, _, to_second):
        for sock, byte in ((to_first, b"1"), (to_second, b"2"), (to_first, b"3")):
            sock.sendall(byte * 5000)
        assert await first.readexactly(10000) == b"1" * 5000 + b"3" * 5000
        assert await second.readexactly(5000) == b"2" * 5000


async def test_who_is_not_read_is_held_back_and_nothing_is_lost() -> None:
    """At most two pieces wait here; what comes together is read together."""

    async with link() as (reader, _, theirs):
        theirs.setblocking(False)
        event_loop = asyncio.get_running_loop()
        data = bytes(range(256)) * (1 << 13)
        sending = asyncio.create_task(event_loop.sock_sendall(theirs, data))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not sending.done(), "somebody takes without reading"
        got = b""
        while len(got) < len(data):
            piece = await reader.read(PIECE_BYTES)
            assert 0 < len(piece) <= PIECE_BYTES
            got += piece
        await sending
        assert got == data


async def test_a_reader_that_waits_hears_of_the_end() -> None:
    async with link() as (reader, _, theirs):
        waiting = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0)
        theirs.close()
        async with asyncio.timeout(10):
            assert await waiting == b""
