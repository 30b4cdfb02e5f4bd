"""Sessions, tickets, and files for native viewers."""

from __future__ import annotations

from fastapi import Request, Response

from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint, Permission
from frazil.controller.api.params import Cursor, Limit, WaitS
from frazil.controller.identity import Right
from frazil.controller.viewer_file import MEDIA_TYPE
from frazil.wire.rest import NewSession, Page, Session, SessionRequest, Ticket

__all__ = ["ENDPOINTS"]


async def open_session(caller: Caller, body: SessionRequest, services: Svc) -> NewSession:
    return await services.sessions.open(caller, body)


async def list_sessions(
    caller: Caller, services: Svc, mine: bool = False, limit: Limit = 100, cursor: Cursor = None
) -> Page[Session]:
    return await services.sessions.list_for(caller, mine=mine, limit=limit, cursor=cursor)


async def show_session(id: str, caller: Caller, services: Svc) -> Session:
    return await services.sessions.show(caller, id)


async def mint_ticket(id: str, caller: Caller, services: Svc, wait_s: WaitS = 0.0) -> Ticket:
    return await services.tickets.mint(caller, id, wait_s=wait_s)


async def make_viewer_file(id: str, caller: Caller, services: Svc, request: Request, wait_s: WaitS = 0.0) -> Response:
    authority = request.headers.get("host", "")
    made = await services.viewer_files.make(caller, id, authority=authority, wait_s=wait_s)
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return Response(made.text, status_code=201, media_type=MEDIA_TYPE, headers=headers)


async def end_session(id: str, caller: Caller, services: Svc) -> None:
    await services.sessions.end(caller, id)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/sessions",
        permission=Permission.SIGNED_IN,
        others=Right.USE_EVERY_POOL,
        handler=open_session,
        status=201,
        response=NewSession,
        summary="Get a desktop",
    ),
    Endpoint(
        method="GET",
        path="/sessions",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_SESSIONS,
        handler=list_sessions,
        response=Page[Session],
        summary="List your open sessions, or all where you may see them",
    ),
    Endpoint(
        method="GET",
        path="/sessions/{id}",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_SESSIONS,
        handler=show_session,
        response=Session,
        summary="Show an open session",
    ),
    Endpoint(
        method="POST",
        path="/sessions/{id}/tickets",
        permission=Permission.SIGNED_IN,
        handler=mint_ticket,
        status=201,
        response=Ticket,
        summary="Get a one-time ticket for a session's viewer",
    ),
    Endpoint(
        method="POST",
        path="/sessions/{id}/viewer-files",
        permission=Permission.SIGNED_IN,
        handler=make_viewer_file,
        status=201,
        media_type=MEDIA_TYPE,
        summary="Get a file with which a native viewer opens a session, once and within a minute",
    ),
    Endpoint(
        method="DELETE",
        path="/sessions/{id}",
        permission=Permission.SIGNED_IN,
        others=Right.END_SESSIONS,
        handler=end_session,
        status=204,
        summary="End a session and give its desktop back",
    ),
)
