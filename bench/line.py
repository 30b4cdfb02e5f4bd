"""A slow line in user space: relays this machine's TCP connections to a socket, later and no faster than it is told.

    python bench/line.py TARGET [--round-trip-ms 20] [--mbit 10]

TARGET is a port of this machine or the path of a UNIX socket. Prints its own port, and ends with its standard input.
All connections share the rate, as they share a person's line; each direction has it for itself. Not more than
`WAITING_BYTES` wait to be sent: then it takes no more from the sender, as a router's queue that is full. What is on its
way does not count, so that a long line is as fast as a short one.
"""

from __future__ import annotations

import argparse
import asyncio
import selectors
import socket
import sys
from collections.abc import Sequence

PIECE_BYTES = 16 << 10
WAITING_BYTES = 128 << 10
TAKEN_BYTES = 64 << 10
"""What the kernel takes for us beyond that; without a word it would be megabytes, which no line has."""
SEGMENT_BYTES = 1448
"""As on Ethernet. This machine's own are of 64 KiB, as much as a window holds here: a sender with less to send would
wait for an acknowledgement that the receiver puts off for 40 ms."""
ON_THE_WAY = 4096
"""Pieces, for a receiver that takes nothing; all that is on its way fits."""


class Direction:
    """One way of the line, for all connections together."""

    def __init__(self, delay_s: float, bytes_per_s: float) -> None:
        self._delay_s, self._bytes_per_s = delay_s, bytes_per_s
        self._free_at_s = 0.0
        self._turn = asyncio.Lock()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From one to the other until the end, which is carried as well. Raises OSError when either is cut off."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(pieces, writer))
            piece = b"-"
            while piece:
                piece = await reader.read(PIECE_BYTES)
                await pieces.put((await self._sent(len(piece)) + self._delay_s, piece))

    async def _sent(self, size: int) -> float:
        """When so many bytes have left on the wire; waits while too many are before them."""
        now_s = asyncio.get_running_loop().time
        async with self._turn:
            await asyncio.sleep(self._free_at_s - now_s() - WAITING_BYTES / self._bytes_per_s)  # makes the line's rate
            self._free_at_s = max(self._free_at_s, now_s()) + size / self._bytes_per_s
            return self._free_at_s

    async def _deliver(self, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        piece = b"-"
        while piece:
            at_s, piece = await pieces.get()
            await asyncio.sleep(at_s - asyncio.get_running_loop().time())  # and its delay
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


async def main(target: str, round_trip_ms: float, mbit: float) -> None:
    there = Direction(round_trip_ms / 2000, mbit * 1e6 / 8)
    back = Direction(round_trip_ms / 2000, mbit * 1e6 / 8)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection that is cut off at one end is cut off at the other."""
        ends = [writer]
        try:
            far_reader, far_writer = await _reach(target)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(there.carry(reader, far_writer))
                tasks.create_task(back.carry(far_reader, writer))
        except* OSError:
            pass
        finally:
            for end in ends:
                end.close()

    with socket.socket() as listening:
        _as_on_a_line(listening)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(connected, sock=listening)
        print(listening.getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.close()


def _as_on_a_line(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TAKEN_BYTES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)


async def _reach(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if not target.isdigit():
        return await asyncio.open_unix_connection(target)
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    try:
        _as_on_a_line(sock)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", int(target)))
    except BaseException:
        sock.close()
        raise
    return await asyncio.open_connection(sock=sock)


def exact_loop() -> asyncio.AbstractEventLoop:
    """One that wakes up when it is to: epoll takes whole milliseconds, and a byte more could be one more of them."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A slow line in user space.")
    parser.add_argument("target", help="a port of this machine, or a UNIX socket's path")
    parser.add_argument("--round-trip-ms", type=float, default=0.0)
    parser.add_argument("--mbit", type=float, default=10_000.0, help="megabits a second, each way")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = options(sys.argv[1:])
    with asyncio.Runner(loop_factory=exact_loop) as runner:
        runner.run(main(given.target, given.round_trip_ms, given.mbit))
