"""A slow line in user space: relays this machine's TCP connections to a socket, later and no faster than it is told.

    python bench/line.py TARGET [--round-trip-ms 20] [--mbit 10]

TARGET is a port of this machine or the path of a UNIX socket. Prints its own port, and ends with its standard input.
All connections share the rate, as they share a person's line; each direction has it for itself. Not more than
`WAITING_BYTES` wait on the line: then it takes no more from the sender, as a router's queue that is full.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence

PIECE_BYTES = 16 << 10
WAITING_BYTES = 128 << 10


class Direction:
    """One way of the line, for all connections together."""

    def __init__(self, delay_s: float, bytes_per_s: float) -> None:
        self._delay_s, self._bytes_per_s = delay_s, bytes_per_s
        self._free_at_s = 0.0
        self._waiting = 0
        self._less = asyncio.Event()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From one to the other until the end, which is carried as well."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(pieces, writer))
            piece = b"-"
            while piece:
                try:
                    piece = await reader.read(PIECE_BYTES)
                except ConnectionError:
                    piece = b""
                pieces.put_nowait((await self._sent(len(piece)) + self._delay_s, piece))

    async def _sent(self, size: int) -> float:
        """When so many bytes have left on the wire; waits while too many are before them."""
        while self._waiting > WAITING_BYTES:
            self._less.clear()
            await self._less.wait()
        self._waiting += size
        self._free_at_s = max(self._free_at_s, asyncio.get_running_loop().time()) + size / self._bytes_per_s
        return self._free_at_s

    async def _deliver(self, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        piece = b"-"
        with contextlib.suppress(ConnectionError):
            while piece:
                at_s, piece = await pieces.get()
                await asyncio.sleep(at_s - asyncio.get_running_loop().time())  # the line's delay is what is made here
                self._waiting -= len(piece)
                self._less.set()
                writer.write(piece)
                await writer.drain()
        writer.close()


async def main(target: str, round_trip_ms: float, mbit: float) -> None:
    there = Direction(round_trip_ms / 2000, mbit * 1e6 / 8)
    back = Direction(round_trip_ms / 2000, mbit * 1e6 / 8)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = (
            asyncio.open_connection("127.0.0.1", int(target))
            if target.isdigit()
            else asyncio.open_unix_connection(target)
        )
        far_reader, far_writer = await opening
        await asyncio.gather(there.carry(reader, far_writer), back.carry(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A slow line in user space.")
    parser.add_argument("target", help="a port of this machine, or a UNIX socket's path")
    parser.add_argument("--round-trip-ms", type=float, default=0.0)
    parser.add_argument("--mbit", type=float, default=10_000.0, help="megabits a second, each way")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = options(sys.argv[1:])
    asyncio.run(main(given.target, given.round_trip_ms, given.mbit))
