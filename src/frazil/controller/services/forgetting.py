"""Once a day, what was over long ago is forgotten, so that the database does not grow for ever."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from frazil.controller.services.context import Context
from frazil.controller.store import history
from frazil.model.errors import FrazilError

EVERY_S = 24 * 3600.0
BATCH = 500
"""Rows of a table in one transaction: other writers wait for it some milliseconds."""

log = structlog.get_logger(__name__)


async def run(ctx: Context, *, days: int) -> None:
    """Forget now and once a day what was over more than `days` ago; ends when it is cancelled."""
    while True:
        try:
            gone = await forget(ctx, days=days)
            log.info("history.forgotten", rows=gone)
        except FrazilError as exc:
            log.error("history.not-forgotten", what=exc.what, code=exc.code)
        await asyncio.sleep(EVERY_S)


async def forget(ctx: Context, *, days: int) -> int:
    """Delete events, ended sessions and finished operations of more than `days` ago; how many rows went."""
    before = ctx.clock.now() - timedelta(days=days)
    total = 0
    while gone := await ctx.store.write(partial(history.forget, before=before, limit=BATCH)):
        total += gone
    return total
