"""No body is larger than what any call needs."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frazil.controller.api import problems
from frazil.wire.rest import BODY_MAX_BYTES

SWALLOWED_MAX_BYTES = 32 << 20
SWALLOWED_S = 10.0


class _TooLarge(Exception):
    pass


async def _swallow(receive: Receive) -> None:
    """Read and forget what is still being sent, up to a bound, before the refusal.

    A connection that is closed over unread data breaks under whoever is still writing, and the answer is lost with it.
    """
    read_bytes = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SWALLOWED_S):
            while read_bytes <= SWALLOWED_MAX_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                read_bytes += len(message.get("body", b""))


class BodyLimit:
    """ASGI middleware: 413 with a problem document, at once when the length is said, else when it is passed."""

    def __init__(self, app: ASGIApp, *, max_bytes: int = BODY_MAX_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refuse = problems.response(problems.too_large())
        refuse.headers["Connection"] = "close"
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > self._max_bytes:
            await _swallow(receive)
            await refuse(scope, receive, send)
            return
        received = 0
        began = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._max_bytes:
                    if not began:
                        if message.get("more_body", False):
                            await _swallow(receive)
                        await refuse(scope, receive, send)
                    raise _TooLarge
            return message

        async def guarded(message: Message) -> None:
            nonlocal began
            if received > self._max_bytes:
                return  # the refusal is the answer
            began = True
            await send(message)

        try:
            await self._app(scope, counted, guarded)
        except _TooLarge:
            return
