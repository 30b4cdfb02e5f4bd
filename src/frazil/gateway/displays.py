"""Gets a desktop's display from its host's server (`frazil.wire.display`)."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket
from pathlib import Path

from pydantic import ValidationError

from frazil.gateway.first_bytes import readable
from frazil.model.errors import HostError, Unavailable
from frazil.wire.display import LINE_MAX_BYTES, DisplayAnswer, DisplayRequest
from frazil.wire.sessions import Route

DEADLINE_S = 10.0
_FDS_MAX = 4


async def open_display(server_socket: Path, route: Route) -> socket.socket:
    """A connected, non-blocking SPICE socket of the desktop, on which nothing has been said yet.

    Raises Unavailable when the server is away or slow, HostError with the server's own words when it refuses.
    """
    request = DisplayRequest(desktop_id=route.desktop_id, epoch=route.epoch)
    try:
        async with asyncio.timeout(DEADLINE_S):
            line, display = await _ask(server_socket, request.model_dump_json().encode() + b"\n")
    except TimeoutError as exc:
        raise Unavailable(f"The desktop's host did not open its display within {DEADLINE_S:g} s.") from exc
    except OSError as exc:
        raise Unavailable(f"The desktop's host can't be reached: {exc.strerror or exc}.") from exc
    try:
        answer = DisplayAnswer.model_validate_json(line)
        if not answer.ok:
            why = answer.failure
            raise HostError(
                why.text if why else "The host refused to open the display.", remedy=why.remedy if why else ""
            )
        if display is None:
            raise HostError("The host said that the display is open, but sent none.")
    except ValidationError as exc:
        _drop(display)
        raise HostError("The host's answer about the display can't be read.") from exc
    except HostError:
        _drop(display)
        raise
    display.setblocking(False)
    return display


async def _ask(server_socket: Path, request: bytes) -> tuple[bytes, socket.socket | None]:
    """The answer's line, and the socket that came with it."""
    loop = asyncio.get_running_loop()
    display: socket.socket | None = None
    line = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            await loop.sock_connect(asking, str(server_socket))
            await loop.sock_sendall(asking, request)
            while not line.endswith(b"\n"):
                await readable(asking)
                part, fds = _receive(asking)
                for fd in fds:
                    if display is None:
                        display = socket.socket(fileno=fd)
                    else:
                        os.close(fd)
                line += part
                if not part or len(line) > LINE_MAX_BYTES:
                    raise ConnectionError("The host ended its answer about the display too early or never")
        except BaseException:
            _drop(display)
            raise
    return line, display


def _receive(asking: socket.socket) -> tuple[bytes, list[int]]:
    with contextlib.suppress(BlockingIOError):
        part, ancillary, _, _ = asking.recvmsg(
            LINE_MAX_BYTES + 1, socket.CMSG_SPACE(_FDS_MAX * array.array("i").itemsize), socket.MSG_CMSG_CLOEXEC
        )
        fds = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        return part, list(fds)
    return b"", []


def _drop(display: socket.socket | None) -> None:
    if display is not None:
        display.close()
