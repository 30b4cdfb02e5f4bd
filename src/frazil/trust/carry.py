"""Bytes both ways between a connection of Frazil's machines and a display's socket, until either ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

READ_BYTES = 64 << 10


class End(NamedTuple):
    """One of the two connections."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


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
        await asyncio.gather(*ways, return_exceptions=True)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[bytes], None]) -> None:
    """Raises OSError (ssl.SSLError is one) when either connection is lost."""
    while data := await reader.read(READ_BYTES):
        seen(data)
        writer.write(data)
        await writer.drain()
