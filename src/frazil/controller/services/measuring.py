"""Measurements for Prometheus."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

import sqlalchemy as sa

from frazil.controller import metrics
from frazil.controller.identity import Identity, Right
from frazil.controller.metrics import Moment
from frazil.controller.services.context import Context
from frazil.controller.store import events, hosts, pools
from frazil.model.errors import Unavailable


class Measuring:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._at_a_time = asyncio.Lock()

    async def begin(self) -> None:
        """Count events from now on."""
        self._ctx.measures.events_up_to = await self._ctx.store.read(events.last_seq)

    def now_s(self) -> float:
        return self._ctx.clock.monotonic_s()

    def answered(self, method: str, route: str, status: int, *, began_s: float) -> None:
        """An answer to a call begins now."""
        self._ctx.measures.answered(method, route, status, self.now_s() - began_s)

    async def text(self, identity: Identity) -> bytes:
        """All measurements, in Prometheus's text format. While the database is away, what is known without it."""
        identity.require(Right.SEE_METRICS)
        ctx = self._ctx
        strays: Mapping[str, int] = {}
        starts: Mapping[str, Sequence[float]] = {}
        async with self._at_a_time:
            with suppress(Unavailable):  # the age of the last look tells
                strays, starts = await ctx.store.read(self._read)
        words = ctx.words
        presence = ctx.presence.view()
        now_s = ctx.clock.monotonic_s()
        moment = Moment(
            leads=ctx.leads(),
            facts=words.facts,
            age_s=None if words.looked_s is None else now_s - words.looked_s,
            short=words.short,
            loads={host_id: load for host_id, load in presence.loads.items() if host_id in presence.up},
            strays=strays,
            starts=starts,
            lines=ctx.lines.fresh(now_s=now_s),
        )
        return await asyncio.to_thread(metrics.render, ctx.measures, moment)

    def _read(self, tx: sa.Connection) -> tuple[Mapping[str, int], Mapping[str, Sequence[float]]]:
        measures = self._ctx.measures
        if measures.events_up_to is not None:
            found, measures.events_up_to = events.counted(tx, after=measures.events_up_to)
            measures.events.update(found)
        strays = Counter(stray.host_id for stray in hosts.strays_listed(tx))
        return strays, pools.start_seconds(tx, [pool.id for pool in pools.listed(tx)])
