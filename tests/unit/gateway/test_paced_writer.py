"""A slow client's bytes wait outside of TLS, and come out in order."""

from __future__ import annotations

import asyncio
import socket

from frazil.gateway.paced_writer import HIGH_WATER_BYTES, PART_BYTES, PacedWriter

LARGE = bytes(range(256)) * (8 << 12)
DEADLINE_S = 30.0


async def test_no_more_than_its_share_is_in_the_transport() -> None:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    paced = PacedWriter(writer)
    with theirs:
        theirs.setblocking(False)
        paced.send(LARGE)
        paced.send(b"behind it")
        draining = [asyncio.create_task(paced.drain()) for _ in range(2)]
        loop, got, most = asyncio.get_running_loop(), bytearray(), 0
        async with asyncio.timeout(DEADLINE_S):
            while len(got) < len(LARGE) + len(b"behind it"):
                most = max(most, writer.transport.get_write_buffer_size())
                got += await loop.sock_recv(theirs, 1 << 14)
            await asyncio.gather(*draining)
        assert got == LARGE + b"behind it"
        assert PART_BYTES < most <= HIGH_WATER_BYTES + 2 * PART_BYTES  # One for each task that drains.
        writer.close()
        await writer.wait_closed()


async def test_all_goes_out_before_the_end() -> None:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    paced = PacedWriter(writer)
    with theirs:
        theirs.setblocking(False)
        paced.send(LARGE)
        paced.finish()
        writer.close()
        loop, got = asyncio.get_running_loop(), bytearray()
        async with asyncio.timeout(DEADLINE_S):
            while part := await loop.sock_recv(theirs, 1 << 16):
                got += part
        assert got == LARGE
        await writer.wait_closed()
