"""An event loop in which no time is lost: whenever all wait, the clock jumps to what comes next.

What would run in a thread runs in the loop, a moment later, whole: all that happens follows from the dice.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
THREAD_MOST_S = 0.02
"""What runs in a thread takes up to so long, and others go on meanwhile."""


class NothingLeft(Exception):
    """All wait, and for nothing that will ever come."""


class _Skipping(selectors.SelectSelector):
    """Waits for nothing outside; the time that it would have waited has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingLeft
        self.passed_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, dice: random.Random) -> None:
        self._skipping = _Skipping()
        self._dice = dice
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.passed_s

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except BaseException as exc:  # noqa: BLE001 - whoever waits for it is told
                future.set_exception(exc)

        self.call_later(self._dice.uniform(0.0, THREAD_MOST_S), work)
        return future


class VirtualClock:
    """`model.clock.Clock` on the loop's time. `ahead_s`: by how much its time of day is wrong."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self._loop.time() + self.ahead_s)

    def monotonic_s(self) -> float:
        return self._loop.time()
