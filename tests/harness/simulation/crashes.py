"""A controller's life, which may end at any commit and at any message to or from a host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from frazil.controller.store import Store
from frazil.controller.store.engine import Engines

T = TypeVar("T")


class Died(BaseException):
    """The process is no more. Nothing in it goes on, and nobody in it hears of this."""


class Life:
    """One life of a controller. `point` is passed where it may end; nothing passes one after its end."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.points = 0
        self.where = ""
        """Where it ended."""
        self._left: int | None = None

    def end_in(self, points: int | None) -> None:
        """Have it end at the n-th point from now, counted from 1; None: not at all."""
        self._left = points

    def point(self, where: str) -> None:
        if self.over.is_set():
            raise Died(where)
        self.points += 1
        if self._left is None:
            return
        self._left -= 1
        if self._left == 0:
            self.end(where)
            raise Died(where)

    def end(self, where: str) -> None:
        self.where = where
        self.over.set()


class MortalStore(Store):
    """The real store, of one life. `committed` looks at the database after each commit, before anybody hears of it."""

    def __init__(self, engines: Engines, life: Life, *, committed: Callable[[sa.Connection], None]) -> None:
        super().__init__(engines)
        self._life = life
        self._committed = committed

    async def write(
        self, work: Callable[[sa.Connection], T], *, changes: Callable[[T], bool] = lambda _: True, ahead: bool = False
    ) -> T:
        self._life.point("before a commit")
        try:
            result = await super().write(work, changes=changes, ahead=ahead)
        except Exception:
            self._life.point("after a refused commit")
            raise
        self._life.point("after a commit")
        return result

    def write_now(self, work: Callable[[sa.Connection], T], *, changes: Callable[[T], bool] = lambda _: True) -> T:
        if self._life.over.is_set():
            raise Died("before a commit")
        result = super().write_now(work, changes=changes)
        self.read_now(self._committed)
        return result

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        if self._life.over.is_set():
            raise Died("at a look")
        return await super().read(work)
