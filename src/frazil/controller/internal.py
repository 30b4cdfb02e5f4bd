"""What the gateway asks (`wire.sessions`), on a socket that only it can open."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from fastapi import FastAPI, Response
from starlette.responses import StreamingResponse

from frazil.controller.api import problems
from frazil.controller.api.limits import BodyLimit
from frazil.controller.services import Context, Services
from frazil.controller.store import host_keys, policies, sessions
from frazil.controller.store.rows import SessionPolicyRow, SessionRow
from frazil.wire.policy import PolicyField
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

PREFIX = "/internal/v1"
REMEMBERED = timedelta(hours=1)
"""A gateway that connects anew is told again of sessions that ended so recently: it may have missed it."""
COMMITTED_WITHIN = timedelta(minutes=1)
"""So long at most passes between the time that a change notes down and its commit. This is read after each commit, and
many sessions may have ended, or hang on one changed pool: none is read for longer than needed."""
KEEP_ALIVE_S = 10.0


def create(ctx: Context, services: Services) -> FastAPI:
    app = FastAPI(title="Frazil, internal", openapi_url=None, docs_url=None, redoc_url=None)
    problems.install(app)

    @app.get(f"{PREFIX}/sessions/{{id}}/route")
    async def route(id: str) -> Route:
        return await services.sessions.route(id)

    @app.post(f"{PREFIX}/tickets/redeem")
    async def redeem(body: RedeemRequest) -> Redeemed:
        return await services.tickets.redeem(body)

    @app.post(f"{PREFIX}/sessions/{{id}}/state", status_code=204, response_class=Response)
    async def state(id: str, body: LinkState) -> None:
        await services.sessions.link_state(id, body)

    @app.post(f"{PREFIX}/refusals", status_code=204, response_class=Response)
    async def refused(body: Refusals) -> None:
        await services.sessions.links_refused(body.refusals)

    @app.post(f"{PREFIX}/lines", status_code=204, response_class=Response)
    async def lines_are(body: Lines) -> None:
        ctx.lines.heard(body.lines, now_s=ctx.clock.monotonic_s())

    @app.get(f"{PREFIX}/revocations")
    async def stream(policies: bool = False) -> StreamingResponse:
        return StreamingResponse(lines(ctx, with_policies=policies), media_type="application/x-ndjson")

    app.add_middleware(BodyLimit)
    return app


async def lines(ctx: Context, *, with_policies: bool) -> AsyncGenerator[str, None]:
    async for change in changes(ctx):
        if change is None:
            yield "\n"
        elif with_policies or isinstance(change, Revocation):
            yield change.model_dump_json() + "\n"


async def changes(ctx: Context) -> AsyncGenerator[Revocation | PolicyChanged | HostRevoked | None, None]:
    """What concerns the gateway: what changed lately, then each thing as it changes. None now and then between."""
    ended: set[str] = set()
    policy_versions: dict[str, int] = {}
    since = ctx.clock.now() - REMEMBERED
    changed = ctx.store.changed
    yield None
    while not changed.closed:
        version = changed.version
        now = ctx.clock.now()
        rows, allowed, revoked = await ctx.store.read(_changed(since))
        for row in rows:
            if row.id not in ended:
                yield Revocation(session_id=row.id, reason=row.end_reason)
        for one in allowed:
            if policy_versions.get(one.session_id) != one.version:
                yield PolicyChanged(
                    session_id=one.session_id, policy=PolicyField.of(one.policy), policy_version=one.version
                )
        for host_id in revoked:
            yield HostRevoked(host_id=host_id)
        ended = {row.id for row in rows}
        policy_versions = {one.session_id: one.version for one in allowed}
        since = now - COMMITTED_WITHIN
        if not await changed.wait(version, timeout_s=KEEP_ALIVE_S):
            yield None


def _changed(since: datetime) -> Callable[[sa.Connection], tuple[list[SessionRow], list[SessionPolicyRow], list[str]]]:
    """Sessions that ended, policies that changed, and hosts that were revoked."""
    return lambda tx: (
        sessions.ended_since(tx, since),
        policies.changed_since(tx, since),
        host_keys.revoked_since(tx, since),
    )
