"""Whether somebody looks at a desktop, checked against what gateways say of living sessions; and whether they may.

A gateway that was killed takes its links with it and says nothing of them, and a desktop that is taken as looked at is
never paused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from frazil.controller.lines import KEPT_S
from frazil.controller.services import release
from frazil.controller.services.context import Context
from frazil.controller.services.links import set_link
from frazil.controller.store import sessions
from frazil.controller.store.rows import SessionRow
from frazil.wire.sessions import LinkState

log = structlog.get_logger(__name__)

ORDER_S = 2.0
"""What a gateway said less than this before a link's end may have been on its way."""


@dataclass(frozen=True, slots=True)
class Mistaken:
    """Sessions that are taken as looked at and are not, and the other way round."""

    gone: list[SessionRow]
    back: list[SessionRow]


def mistaken(rows: Sequence[SessionRow], ages_s: Mapping[str, float], *, now: datetime, running_s: float) -> Mistaken:
    """Judge open sessions.

    ages_s: how long ago a gateway spoke of each, where one has within `KEPT_S`. running_s: how long gateways could
    have been heard.
    """
    long_ago = now - timedelta(seconds=KEPT_S)
    return Mistaken(
        gone=[
            row
            for row in rows
            if row.connected and row.id not in ages_s and running_s > KEPT_S and (row.connected_at or now) < long_ago
        ],
        back=[
            row
            for row in rows
            if not row.connected
            and row.disconnected_at is not None
            and row.id in ages_s
            and row.disconnected_at < now - timedelta(seconds=ages_s[row.id] + ORDER_S)
        ],
    )


async def put_right(ctx: Context, *, running_s: float) -> None:
    """Write down who really looks, where that is not what is written."""

    def judge(tx: sa.Connection) -> Mistaken:
        ages_s = ctx.lines.ages_s(now_s=ctx.clock.monotonic_s())
        return mistaken(sessions.open_ones(tx), ages_s, now=ctx.clock.now(), running_s=running_s)

    def mend(tx: sa.Connection) -> None:
        found = judge(tx)
        for row in found.gone:
            _set(ctx, tx, row, connected=False)
        for row in found.back:
            _set(ctx, tx, row, connected=True)

    found = await ctx.store.read(judge)
    if found.gone or found.back:
        await ctx.store.write(mend)
        log.warning("sessions.viewers-put-right", gone=len(found.gone), back=len(found.back))


async def see_off(ctx: Context) -> None:
    """End what nothing entitles any more: a session that was opened while its entitlement was taken away."""
    if await ctx.store.read(release.unentitled):
        await ctx.store.write(lambda tx: release.end_unentitled(ctx, tx, by=None))


def _set(ctx: Context, tx: sa.Connection, row: SessionRow, *, connected: bool) -> None:
    set_link(ctx, tx, row, LinkState(connected=connected, remote_address=row.remote_address or ""))
