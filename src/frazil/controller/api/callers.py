"""Who a request is from: established once, before anything else looks at it."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Annotated

from fastapi import Depends
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frazil.controller.api import problems
from frazil.controller.identity import LOCAL_ROOT, Identity
from frazil.controller.identity.cookies import COOKIE_NAME, set_cookie
from frazil.controller.services import Services
from frazil.controller.services.tokens import PREFIX
from frazil.model.errors import FrazilError, NotSignedIn


class Listener(Enum):
    """The socket that a request came in on."""

    PUBLIC = "public"
    LOCAL = "local"


_KEY = "frazil.listener"


class On:
    """ASGI: marks what comes in on one socket."""

    def __init__(self, app: ASGIApp, listener: Listener) -> None:
        self._app = app
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, _KEY: self._listener}, receive, send)


def listener_of(scope: Scope) -> Listener:
    """PUBLIC unless the socket said otherwise."""
    found = scope.get(_KEY, Listener.PUBLIC)
    assert isinstance(found, Listener)
    return found


class Callers:
    """ASGI middleware: sets `request.state.identity` (None: nobody) and `request.state.remote_address`.

    A login that was moved on has its cookie given again with the answer.
    """

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        state = scope.setdefault("state", {})
        state["remote_address"] = remote_address(request)
        state["identity"] = None
        if not scope["path"].startswith("/static/"):
            try:
                state["identity"] = await self._identity(request, state["remote_address"])
            except FrazilError as exc:
                await problems.response(problems.of_error(exc))(scope, receive, send)
                return
        identity: Identity | None = state["identity"]
        if identity is not None and identity.cookie_renewed:
            send = _with_cookie(send, request.cookies[COOKIE_NAME])
        await self._app(scope, receive, send)

    async def _identity(self, request: Request, address: str | None) -> Identity | None:
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() == "bearer" and token.strip().startswith(PREFIX):
                found = await self._services.tokens.authenticate(token.strip(), remote_address=address)
                if found is not None:
                    return found
            raise NotSignedIn(
                "This API token is not known, or no longer.", remedy="Make a new one, or run `frazil login`."
            )
        if listener_of(request.scope) is Listener.LOCAL:
            return replace(LOCAL_ROOT, remote_address="local")
        cookie = request.cookies.get(COOKIE_NAME)
        return await self._services.logins.authenticate(cookie, remote_address=address) if cookie else None


def _with_cookie(send: Send, cookie: str) -> Send:
    """Have the answer give the login cookie again, for as long as its login lasts now."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # Who signs in or out with this very request has said already what becomes of the cookie.
            if not any(given.startswith(f"{COOKIE_NAME}=") for given in headers.getlist("set-cookie")):
                again = Response()
                set_cookie(again, cookie)
                headers.append("set-cookie", again.headers["set-cookie"])
        await send(message)

    return sending


def remote_address(request: Request) -> str | None:
    """The person's address. Only the gateway can reach the public socket, and it replaces the header."""
    if listener_of(request.scope) is Listener.LOCAL:
        return "local"
    forwarded = request.headers.get("x-forwarded-for")
    return forwarded.rsplit(",", 1)[-1].strip()[:200] or None if forwarded else None


def _identity(request: Request) -> Identity:
    found: Identity | None = request.state.identity
    if found is None:
        raise NotSignedIn("Nobody is signed in.", remedy="Sign in, or give an API token.")
    return found


def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


Caller = Annotated[Identity, Depends(_identity)]
Svc = Annotated[Services, Depends(_services)]
