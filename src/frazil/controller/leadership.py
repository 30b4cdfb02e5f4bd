"""Which of several controllers plans: the one that holds the row of `store.leader`, for as long as it renews it.

All controllers serve people, gateways and hosts; only the leader carries out plans, tells hosts what is wanted, and
writes down what they see. What it writes is committed only if it leads at that moment. SQLite has one controller, which
leads always.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
import structlog

from frazil.controller.store import Store, leader
from frazil.controller.store.signal import Signal
from frazil.model.clock import Clock
from frazil.model.errors import FrazilError

LEASE_S = 6.0
"""After a leader's death another one leads within this and `RENEW_S`."""
RENEW_S = 1.5
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Deposed(FrazilError):
    """Another controller leads, or may: nothing was written."""


class Leadership:
    """`run` keeps it until cancelled. Used from the event loop only.

    changed: called when it begins (True) or ends (False) to lead. Set when the process is put together.
    """

    def __init__(self, store: Store, *, clock: Clock, holder: str) -> None:
        self._store = store
        self._clock = clock
        self._holder = holder
        self.changed: Callable[[bool], None] = lambda leads: None
        self._epoch: int | None = None
        self._until_s = 0.0
        """By our clock, counted from before the database was asked: it ends here no later than there."""
        self._begun = Signal()

    @property
    def leads(self) -> bool:
        if not self._store.shared:
            return True
        return self._epoch is not None and self._clock.monotonic_s() < self._until_s

    @property
    def epoch(self) -> int:
        """Grows from leader to leader; 0 where there is but one controller."""
        return self._epoch or 0

    async def begins(self, *, within_s: float) -> None:
        """Wait until it leads, at most so long."""
        version = self._begun.version
        if not self.leads:
            await self._begun.wait(version, timeout_s=within_s)

    async def write(self, work: Callable[[sa.Connection], T], *, changes: Callable[[T], bool] = lambda _: True) -> T:
        """`Store.write`, in a transaction in which no other controller leads. Raises Deposed."""
        if not self._store.shared:
            return await self._store.write(work, changes=changes)
        epoch = self._epoch

        def led(tx: sa.Connection) -> T:
            if epoch is None or not leader.leads(tx, holder=self._holder, epoch=epoch):
                raise Deposed("Another controller leads.")
            return work(tx)

        try:
            return await self._store.write(led, changes=changes)
        except Deposed:
            if epoch == self._epoch:
                self._now(None)  # the database has said so, before the next renewal would
            raise

    async def run(self) -> None:
        """Take the lead when nobody has it, keep it, and give it up at the end."""
        if not self._store.shared:
            return
        try:
            while True:
                await self._renew()
                await asyncio.sleep(RENEW_S)
        finally:
            if self._epoch is not None:
                # Shielded from the cancellation that brought us here: the next one need not wait for the lease's end.
                await asyncio.shield(asyncio.ensure_future(self._leave()))

    async def _renew(self) -> None:
        asked_s = self._clock.monotonic_s()
        try:
            epoch = await self._store.write(
                lambda tx: leader.take(tx, holder=self._holder, for_s=LEASE_S),
                changes=lambda _: False,
                ahead=True,  # however many ask for something: who leads goes on leading
            )
        except FrazilError as exc:
            log.warning("leadership.not-renewed", what=exc.what)
            if not self.leads:
                self._now(None)
            return
        lapsed = not self.leads
        self._until_s = asked_s + LEASE_S
        self._now(epoch, lapsed=lapsed)

    def _now(self, epoch: int | None, *, lapsed: bool = False) -> None:
        """lapsed: it did not lead for a while, though nobody else has: what was not told meanwhile is told now."""
        before, self._epoch = self._epoch, epoch
        if before == epoch and not (lapsed and epoch is not None):
            return
        log.info("leadership.changed", leads=epoch is not None, epoch=epoch)
        if before is not None and before != epoch:
            self.changed(False)
        if epoch is not None:
            self._begun.bump()
            self.changed(True)

    async def _leave(self) -> None:
        self._now(None)
        try:
            await self._store.write(lambda tx: leader.leave(tx, holder=self._holder))
        except FrazilError as exc:
            log.warning("leadership.not-left", what=exc.what)
