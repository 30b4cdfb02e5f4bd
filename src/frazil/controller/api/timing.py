"""How long calls take, for the measurements."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frazil.controller.services.measuring import Measuring

API = "/api/"
PAGE = "page"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""Whoever calls names the method; there are only so many measurements."""


class Timed:
    """ASGI middleware: notes when each answer begins, under its route's path, which is one for all ids in it."""

    def __init__(self, app: ASGIApp, *, measuring: Measuring) -> None:
        self._app = app
        self._measuring = measuring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._measuring.now_s()
        answered = False

        def note(status: int) -> None:
            nonlocal answered
            answered = True
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._measuring.answered(method, _route(scope), status, began_s=began_s)

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, timed)
        except Exception:
            if not answered:
                note(500)
            raise


def _route(scope: Scope) -> str:
    if not scope["path"].startswith(API):
        return PAGE
    return str(getattr(scope.get("route"), "path", "unknown"))
