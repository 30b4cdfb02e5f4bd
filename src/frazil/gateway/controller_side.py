"""What the gateway asks a controller about sessions (`frazil.wire.sessions`), over its internal UNIX socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import structlog
from pydantic import ValidationError

from frazil.gateway.controllers import Controllers
from frazil.model.errors import FrazilError, NotFound, Refused, Unavailable
from frazil.wire.base import Message
from frazil.wire.sessions import (
    HostRevoked,
    Lines,
    LinkState,
    PolicyChanged,
    Redeemed,
    RedeemRequest,
    Refusals,
    Revocation,
    Route,
)

_log = structlog.get_logger()
CALL_DEADLINE_S = 5.0
M = TypeVar("M", bound=Message)
REVOCATIONS_SILENCE_S = 45.0
"""The stream is kept alive with blank lines; when none comes for so long, it is dead and is opened again."""


class ControllerSide:
    """One per process. Any number of tasks may call. Where one controller can't be reached, the next one is asked."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        self._controllers = Controllers(sockets)
        self._http = {socket: _client(socket) for socket in sockets}

    async def aclose(self) -> None:
        for http in self._http.values():
            await http.aclose()

    async def route(self, session_id: str) -> Route:
        """Raises NotFound when there is no such open session, Unavailable when the controller can't be asked."""
        response = await self._call("GET", f"/internal/v1/sessions/{session_id}/route")
        return _read(Route, response)

    async def redeem(self, request: RedeemRequest) -> Redeemed:
        """Uses the ticket up. Raises Refused when it is not valid (any more)."""
        response = await self._call("POST", "/internal/v1/tickets/redeem", body=request)
        return _read(Redeemed, response)

    async def say(self, session_id: str, state: LinkState) -> None:
        """Tells that a session's main link came or went."""
        await self._call("POST", f"/internal/v1/sessions/{session_id}/state", body=state)

    async def say_refusals(self, refusals: Refusals) -> None:
        """Tells which links were refused."""
        await self._call("POST", "/internal/v1/refusals", body=refusals)

    async def say_lines(self, lines: Lines) -> None:
        """Tells how the living sessions are."""
        await self._call("POST", "/internal/v1/lines", body=lines)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Revocation | PolicyChanged | HostRevoked]]:
        """What changes in sessions and with their hosts, as a stream that is open.

        Iterating raises Unavailable when it breaks and ends when the controller ends it.
        """
        timeout = httpx.Timeout(CALL_DEADLINE_S, read=REVOCATIONS_SILENCE_S)
        socket = next(iter(self._controllers))
        http = self._http[socket]
        try:
            async with http.stream("GET", "/internal/v1/revocations?policies=true", timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    raise Unavailable(f"The controller answers {response.status_code} where revocations are due.")
                yield _lines(response)
        except httpx.HTTPError as exc:
            self._controllers.failed(socket)
            raise _away(exc) from exc

    async def _call(self, method: str, path: str, *, body: Message | None = None) -> httpx.Response:
        """What may have reached a controller is not said to another: a ticket would be used up for nothing."""
        unreached: list[_Unreached] = []
        for socket in self._controllers:
            try:
                return await self._call_at(socket, method, path, body=body)
            except _Unreached as exc:
                unreached.append(exc)
        raise unreached[-1]

    async def _call_at(self, socket: Path, method: str, path: str, *, body: Message | None) -> httpx.Response:
        headers = {"content-type": "application/json"}
        content = body.model_dump_json() if body else None
        try:
            response = await self._http[socket].request(method, path, content=content, headers=headers)
        except httpx.HTTPError as exc:
            self._controllers.failed(socket)
            raise _away(exc) from exc
        if response.is_success:
            return response
        raise _refusal(response)


class _Unreached(Unavailable):
    """The controller has heard nothing of the call."""


def _client(socket: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(socket)),
        base_url="http://controller",
        timeout=httpx.Timeout(CALL_DEADLINE_S),
    )


async def _lines(response: httpx.Response) -> AsyncIterator[Revocation | PolicyChanged | HostRevoked]:
    async for line in response.aiter_lines():
        if not line.strip():
            continue
        try:
            match _Kind.model_validate_json(line).kind:
                case "revocation":
                    yield Revocation.model_validate_json(line)
                case "policy":
                    yield PolicyChanged.model_validate_json(line)
                case "host-revoked":
                    yield HostRevoked.model_validate_json(line)
                case kind:
                    _log.info("gateway.change-ignored", kind=kind)
        except ValidationError as exc:
            raise Unavailable("The controller sent a line of changes that can't be read.") from exc


class _Kind(Message):
    """What a line is; a controller of before policies says no kind, since it knows only one."""

    kind: str = "revocation"


def _read(model: type[M], response: httpx.Response) -> M:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as exc:
        raise Unavailable(f"The controller's answer is no {model.__name__}.") from exc


def _away(exc: httpx.HTTPError) -> Unavailable:
    kind = _Unreached if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout) else Unavailable
    return kind(f"The controller can't be reached: {type(exc).__name__}.", remedy="Try again in a moment.")


def _refusal(response: httpx.Response) -> FrazilError:
    match response.status_code:
        case httpx.codes.NOT_FOUND:
            return NotFound("There is no such open session.")
        case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
            return Refused("The ticket is not valid.", remedy="Open the desktop again.")
        case status:  # 409 too: the session is there, its desktop is not where it was.
            return Unavailable(f"The controller answers {status}.", remedy="Try again in a moment.")
