"""Hands displays to the gateway: one request a connection on a UNIX socket, answered with a file descriptor.

Who may connect is decided by the socket's directory (root and the gateway's group); see `wire.display`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from pydantic import ValidationError

from frazil.model.desktop import Epoch
from frazil.model.errors import FrazilError
from frazil.wire.display import LINE_MAX_BYTES, DisplayAnswer, DisplayRequest
from frazil.wire.hostlink import FailureField

log = structlog.get_logger(__name__)

REQUEST_DEADLINE_S = 5.0
BACKLOG = 64

OpenDisplay = Callable[[str, Epoch], Awaitable[int]]
"""(desktop id, epoch) → a file descriptor that the caller then owns."""


def bind(path: Path) -> socket.socket:
    """The listening socket at `path`, for root and the directory's group."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(str(path))
    path.chmod(0o660)
    os.chown(path, -1, path.parent.stat().st_gid)
    listener.listen(BACKLOG)
    return listener


async def serve(listener: socket.socket, open_display: OpenDisplay) -> None:
    """Answer requests until cancelled."""
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        while True:
            peer, _ = await loop.sock_accept(listener)
            peer.setblocking(False)
            tasks.create_task(_answer(peer, open_display))


async def _answer(peer: socket.socket, open_display: OpenDisplay) -> None:
    loop = asyncio.get_running_loop()
    with peer:
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                line = bytearray()
                while not line.endswith(b"\n"):
                    part = await loop.sock_recv(peer, LINE_MAX_BYTES)
                    if not part or len(line) + len(part) > LINE_MAX_BYTES:
                        return
                    line += part
            request = DisplayRequest.model_validate_json(bytes(line))
        except (TimeoutError, ConnectionError, ValidationError) as exc:
            log.warning("display-request-refused", why=type(exc).__name__)
            return
        epoch = Epoch(request.epoch.generation, request.epoch.counter)
        fds: list[int] = []
        try:
            fds.append(await open_display(request.desktop_id, epoch))
            answer = DisplayAnswer(ok=True)
        except FrazilError as exc:
            log.info("display-refused", desktop=request.desktop_id, why=str(exc))
            failure = FailureField(code=exc.code, text=exc.what, remedy=exc.remedy)
            answer = DisplayAnswer(ok=False, failure=failure)
        try:
            # One small datagram into an empty socket buffer: it never blocks.
            socket.send_fds(peer, [answer.model_dump_json().encode() + b"\n"], fds)
        except OSError as exc:
            log.warning("display-answer-lost", why=str(exc))
        finally:
            for fd in fds:
                os.close(fd)
