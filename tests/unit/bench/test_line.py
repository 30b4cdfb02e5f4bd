"""The slow line of the benchmarks is as slow as it says, also for one whose neighbour has gone."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LINE = Path(__file__).parents[3] / "bench/line.py"
MBIT = 40.0
ROUND_TRIP_MS = 100.0


@contextmanager
def line() -> Iterator[tuple[socket.socket, int]]:
    """A listening socket, and the port of the line to it."""
    with socket.create_server(("127.0.0.1", 0)) as far:
        far.settimeout(10)
        argv = [sys.executable, str(LINE), str(far.getsockname()[1]), "--mbit", str(MBIT)]
        argv += ["--round-trip-ms", str(ROUND_TRIP_MS)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin
            assert process.stdout
            try:
                yield far, int(process.stdout.readline())
            finally:
                process.stdin.close()


def linked(far: socket.socket, port: int) -> tuple[socket.socket, socket.socket]:
    near = socket.create_connection(("127.0.0.1", port), 10)
    return near, far.accept()[0]


def seconds_for(size: int, near: socket.socket, end: socket.socket) -> float:
    """Until so much that the far end sends is here."""
    began_s = time.monotonic()
    end.settimeout(20)
    near.settimeout(20)
    sent = got = 0
    while got < size:
        if sent < size:
            end.setblocking(False)
            try:
                sent += end.send(bytes(min(1 << 14, size - sent)))
            except BlockingIOError:
                end.settimeout(20)
                got += len(near.recv(1 << 16))
        else:
            got += len(near.recv(1 << 16))
    return time.monotonic() - began_s


def test_a_long_line_is_as_fast_as_it_says() -> None:
    size = 1 << 20
    with line() as (far, port):
        near, end = linked(far, port)
        with near, end:
            took_s = seconds_for(size, near, end)
    least_s = size * 8 / (MBIT * 1e6) + ROUND_TRIP_MS / 2000
    assert least_s * 0.95 < took_s < least_s * 3, "what is on its way does not count as waiting"


def test_who_breaks_off_leaves_the_line_to_the_others() -> None:
    with line() as (far, port):
        for _ in range(10):
            near, end = linked(far, port)
            with near, end:
                end.sendall(bytes(1 << 16))
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                near.close()  # with what is on its way unread: the line is reset
                end.settimeout(10)
                with contextlib.suppress(ConnectionError):
                    while end.recv(1):
                        """Its end is carried, too."""
        near, end = linked(far, port)
        with near, end:
            assert seconds_for(1 << 18, near, end) < 5
