"""A server's display socket: hands out connections to one back end (`frazil.wire.display`)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from frazil.wire.display import DisplayAnswer, DisplayRequest
from frazil.wire.hostlink import FailureField


class DisplayServer:
    """`failure` makes it refuse; `asked` is what it was asked."""

    def __init__(self, back_end: Path) -> None:
        self.back_end = back_end
        self.failure: FailureField | None = None
        self.asked: list[DisplayRequest] = []

    @asynccontextmanager
    async def running(self, path: Path) -> AsyncIterator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen()
            listening.setblocking(False)
            async with asyncio.TaskGroup() as tasks:

                async def accept() -> None:
                    while True:
                        sock, _ = await loop.sock_accept(listening)
                        tasks.create_task(self._serve(sock))

                accepting = tasks.create_task(accept())
                try:
                    yield
                finally:
                    accepting.cancel()
                    path.unlink()

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with sock, contextlib.suppress(ConnectionError):
            line = b""
            while not line.endswith(b"\n"):
                part = await loop.sock_recv(sock, 4096)
                if not part:
                    return
                line += part
            self.asked.append(DisplayRequest.model_validate_json(line))
            answer = DisplayAnswer(ok=self.failure is None, failure=self.failure).model_dump_json().encode() + b"\n"
            if self.failure is not None:
                await loop.sock_sendall(sock, answer)
                return
            with self.connected() as display:
                socket.send_fds(sock, [answer], [display.fileno()])

    def connected(self) -> socket.socket:
        """A new connection to the back end."""
        display = socket.socket(socket.AF_UNIX)
        try:
            display.connect(str(self.back_end))
        except OSError:
            display.close()
            raise
        return display
