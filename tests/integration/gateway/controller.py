"""A controller as the gateway sees it: internal and public socket, speaking the real wire messages."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from frazil.controller.internal import KEEP_ALIVE_S
from frazil.model.policy import Policy
from frazil.wire.hostlink import EpochField
from frazil.wire.policy import PolicyField
from frazil.wire.rest import Ticket
from frazil.wire.sessions import Lines, LinkState, PolicyChanged, Redeemed, RedeemRequest, Refusal, Refusals, Revocation
from frazil.wire.sessions import Route as SessionRoute

REPOSITORY = Path(__file__).parents[3]
STATIC = REPOSITORY / "src/frazil/controller/portal/static"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


async def _next(lines: asyncio.Queue[str | None]) -> str | None:
    """A blank line while nothing is said, as the controller keeps its stream alive; None at its end."""
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            return await lines.get()
    except TimeoutError:
        return ""


class _Server(uvicorn.Server):
    """Leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class FakeController:
    """Tickets are used up once; sessions exist until ended; every report is kept."""

    def __init__(self) -> None:
        self.sessions: dict[str, SessionRoute] = {}
        self.tickets: dict[str, str] = {}
        self.states: list[tuple[str, LinkState]] = []
        self.lines: list[Lines] = []
        self.refusals: list[Refusal] = []
        self.said = asyncio.Condition()
        self.redeemed: list[RedeemRequest] = []
        self.refuse_tickets_with: int | None = None
        self.step = ""
        """What the sessions' desktops are doing, in words."""
        self.seen_headers: dict[str, str] = {}
        self.uploaded = 0
        self._streams: set[asyncio.Queue[str | None]] = set()
        self.listening = asyncio.Event()
        self.page = ""

    def open_session(self) -> str:
        number = secrets.token_hex(6)
        session_id = f"01900000-0000-7000-8000-{number}"
        self.sessions[session_id] = SessionRoute(
            session_id=session_id,
            desktop_id="desktop-1",
            desktop_name="pool-1",
            host_id="host-1",
            epoch=EpochField(generation=1, counter=1),
        )
        return session_id

    def mint(self, session_id: str) -> str:
        ticket = secrets.token_urlsafe(32)
        self.tickets[ticket] = session_id
        return ticket

    def end_session(self, session_id: str, *, tell: bool = True) -> None:
        del self.sessions[session_id]
        if tell:
            self.say_line(Revocation(session_id=session_id, reason="Ended by an administrator.").model_dump_json())

    def change_policy(self, session_id: str, policy: Policy, *, tell: bool = True) -> None:
        version = self.sessions[session_id].policy_version + 1
        said = {"policy": PolicyField.of(policy), "policy_version": version}
        self.sessions[session_id] = self.sessions[session_id].model_copy(update=said)
        if tell:
            self.say_line(PolicyChanged(session_id=session_id, **said).model_dump_json())

    def say_line(self, line: str) -> None:
        """Say anything on the stream of changes."""
        for stream in self._streams:
            stream.put_nowait(line)

    @asynccontextmanager
    async def running(self, internal: Path, public: Path) -> AsyncIterator[None]:
        apps = ((internal, self._internal()), (public, self._public()))
        servers = []
        for path, app in apps:
            path.parent.mkdir(parents=True, exist_ok=True)
            config = uvicorn.Config(
                app, uds=str(path), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=10
            )
            servers.append(_Server(config))
        # No task group: a test's failure would cancel them, their sockets would stay open, and uvloop's loop would wait
        # for those for ever.
        serving = [asyncio.create_task(server.serve()) for server in servers]
        try:
            for path, _ in apps:
                async with asyncio.timeout(30):
                    while not path.exists():
                        await asyncio.sleep(0.005)
            yield
        finally:
            for stream in self._streams:
                stream.put_nowait(None)
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*serving)
            for path, _ in apps:
                path.unlink(missing_ok=True)

    def _internal(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/internal/v1/sessions/{id}/route", self._route),
                Route("/internal/v1/sessions/{id}/state", self._state, methods=["POST"]),
                Route("/internal/v1/refusals", self._refusals, methods=["POST"]),
                Route("/internal/v1/lines", self._lines, methods=["POST"]),
                Route("/internal/v1/tickets/redeem", self._redeem, methods=["POST"]),
                Route("/internal/v1/revocations", self._revocations),
            ]
        )

    async def _route(self, request: Request) -> Response:
        route = self.sessions.get(request.path_params["id"])
        return Response(route.model_dump_json()) if route else Response(status_code=404)

    async def _state(self, request: Request) -> Response:
        async with self.said:
            self.states.append((request.path_params["id"], LinkState.model_validate_json(await request.body())))
            self.said.notify_all()
        return Response(status_code=204)

    async def _refusals(self, request: Request) -> Response:
        async with self.said:
            self.refusals += Refusals.model_validate_json(await request.body()).refusals
            self.said.notify_all()
        return Response(status_code=204)

    async def _lines(self, request: Request) -> Response:
        async with self.said:
            self.lines.append(Lines.model_validate_json(await request.body()))
            self.said.notify_all()
        return Response(status_code=204)

    async def _redeem(self, request: Request) -> Response:
        asked = RedeemRequest.model_validate_json(await request.body())
        self.redeemed.append(asked)
        route = self.sessions.get(asked.session_id)
        if route is None or self.tickets.get(asked.ticket) != asked.session_id:
            return JSONResponse({"type": "urn:frazil:problem:refused"}, status_code=403)
        del self.tickets[asked.ticket]
        return Response(Redeemed(route=route, user_id="user-1").model_dump_json())

    async def _revocations(self, _: Request) -> Response:
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        async def lines() -> AsyncIterator[str]:
            self._streams.add(queue)
            self.listening.set()
            try:
                yield "\n"
                while (line := await _next(queue)) is not None:
                    yield line + "\n"
            finally:
                self._streams.discard(queue)

        return StreamingResponse(lines())

    def _public(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._show_page),
                Route("/leave", self._show_page, methods=["GET", "POST"]),
                Route("/headers", self._headers),
                Route("/events", self._events),
                Route("/upload", self._upload, methods=["POST"]),
                Route("/too-large", self._too_large, methods=["POST"]),
                Route("/api/v1/sessions/{id}/tickets", self._ticket, methods=["POST"]),
                Route("/api/v1/sessions/{id}", self._session),
                Mount("/static", StaticFiles(directory=STATIC, check_dir=False)),
            ]
        )

    async def _show_page(self, _: Request) -> Response:
        policy = (
            "default-src 'self'; connect-src 'self' wss:; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'"
        )
        return Response(self.page, media_type="text/html", headers={"content-security-policy": policy})

    async def _headers(self, request: Request) -> Response:
        self.seen_headers = dict(request.headers)
        return JSONResponse(
            {"headers": request.headers.items()},
            headers={"x-kept": "yes", "connection": "x-private", "x-private": "no"},
        )

    async def _events(self, _: Request) -> Response:
        async def lines() -> AsyncIterator[str]:
            for number in range(3):
                yield f"data: {number}\n\n"
                await self.next_event.get()

        self.next_event: asyncio.Queue[None] = asyncio.Queue()
        return StreamingResponse(lines(), media_type="text/event-stream")

    async def _upload(self, request: Request) -> Response:
        size = 0
        async for part in request.stream():
            size += len(part)
        self.uploaded = size
        return JSONResponse({"size": size})

    async def _too_large(self, _: Request) -> Response:
        return JSONResponse({"title": "too large"}, status_code=413)

    async def _ticket(self, request: Request) -> Response:
        session_id = request.path_params["id"]
        if request.headers.get("x-csrf-token") != "csrf-1":
            return JSONResponse({"title": "no"}, status_code=403)
        if self.refuse_tickets_with is not None:
            body = {"title": "t", "detail": "The desktop is starting.", "remedy": "", "status": 409, "reference": "r-1"}
            return JSONResponse(body, status_code=self.refuse_tickets_with)
        if session_id not in self.sessions:
            return JSONResponse({"title": "gone", "reference": "r-2"}, status_code=404)
        ticket = Ticket(
            ticket=self.mint(session_id),
            expires_at=datetime.now(UTC) + timedelta(seconds=60),
            spice_path=f"/spice/{session_id}",
        )
        return Response(ticket.model_dump_json(), status_code=201, media_type="application/json")

    async def _session(self, request: Request) -> Response:
        known = request.path_params["id"] in self.sessions
        body = {"id": request.path_params["id"], "desktop": {"step": self.step}, "expected_ready_s": 7.0}
        return JSONResponse(body) if known else JSONResponse({"title": "gone"}, status_code=404)
