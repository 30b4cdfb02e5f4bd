"""Bytes both ways between a connection of Frazil's machines and a display's socket, until either ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import NamedTuple

READ_BYTES = 64 << 10
LOST_AFTER_S = 20


class End(NamedTuple):
    """One of the two connections."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def notice_loss(connection: End) -> None:
    """Have the kernel ask a silent other end, and end the connection when it says nothing for `LOST_AFTER_S`: without
    this, who is cut off from a host would look at a still picture for a quarter of an hour (tcp(7))."""
    sock = connection.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, LOST_AFTER_S // 2),
        (socket.TCP_KEEPINTVL, LOST_AFTER_S // 4),
        (socket.TCP_KEEPCNT, 2),
        (socket.TCP_USER_TIMEOUT, LOST_AFTER_S * 1000),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def carry(one: End, other: End, *, seen: Callable[[bytes], None] = lambda _: None) -> None:
    """Returns at the end of either, which may have said it in any way. `seen` is given what `other` says."""
    ways = {
        asyncio.create_task(_pour(one.reader, other.writer, lambda _: None)),
        asyncio.create_task(_pour(other.reader, one.writer, seen)),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        for ended in await asyncio.gather(*ways, return_exceptions=True):
            if isinstance(ended, Exception) and not isinstance(ended, OSError):
                raise ended  # a lost connection is an end like any other, this is not


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[bytes], None]) -> None:
    """Raises OSError (ssl.SSLError is one) when either connection is lost."""
    while data := await reader.read(READ_BYTES):
        seen(data)
        writer.write(data)
        await writer.drain()
