"""What hosts report, written down many at a time.

A thousand hosts say many small things at once; a transaction for each would be most of the work.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from frazil.controller.hostreports import Report, take_in
from frazil.controller.services.context import Context
from frazil.model.errors import FrazilError

log = structlog.get_logger(__name__)

AT_ONCE = 200
"""At most so many reports in one transaction."""


@dataclass(slots=True, eq=False)
class _Waiting:
    report: Report
    done: bool = False
    changed: bool = False
    failed: Exception | None = None


@dataclass(slots=True)
class Reports:
    """Used from the event loop only."""

    ctx: Context
    _waiting: list[_Waiting] = field(default_factory=list)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take_in(self, report: Report) -> bool:
        """Returns once it is written down; whether anything is otherwise now. A link waits for each before its next.

        Whoever comes while a transaction runs is in the next one: the busier it is, the more are written together.
        """
        mine = _Waiting(report)
        self._waiting.append(mine)
        async with self._writing:
            while not mine.done:
                await self._write()
        if mine.failed is not None:
            raise mine.failed
        return mine.changed

    async def _write(self) -> None:
        """Those that have waited longest. They stay in the list if this is cancelled: another one writes them."""
        batch = self._waiting[:AT_ONCE]
        try:
            await self._try(batch)
        except FrazilError as exc:  # the database can't be used, by nobody
            for one in batch:
                one.done, one.failed = True, exc
        except Exception:  # what one host says must not take the others' words with it
            log.exception("reports.not-written-together", reports=len(batch))
            for one in batch:
                await self._alone(one)
        self._waiting = [one for one in self._waiting if not one.done]

    async def _alone(self, one: _Waiting) -> None:
        try:
            await self._try([one])
        except Exception as exc:
            log.exception("reports.not-written", host=one.report.host_id, kind=one.report.message.type)
            one.done, one.failed = True, exc

    async def _try(self, batch: list[_Waiting]) -> None:
        ctx, reports = self.ctx, [one.report for one in batch]
        changed = await ctx.store.write(lambda tx: take_in(ctx, tx, reports), changes=bool)
        for one in batch:
            one.done, one.changed = True, changed
