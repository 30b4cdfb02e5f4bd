"""Waiting for what a desktop says: each wait has a deadline, and ends with the connection's error when that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from frazil.client import DeadlinePassed


class Changes:
    """One for a connection. Used from its event loop only."""

    def __init__(self) -> None:
        self.ended: Exception | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        """Something is different now: whoever waits looks again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def end(self, error: Exception) -> None:
        """Nothing more will change; the first error is the one that is told."""
        self.ended = self.ended or error
        self.tell()

    def check(self) -> None:
        """Raises what ended the connection, if anything did."""
        if self.ended is not None:
            raise self.ended

    async def until(self, condition: Callable[[], bool], *, what: str, timeout_s: float | None) -> None:
        """Raises DeadlinePassed, which says that `what` has not happened, or what the connection ended with.

        Without `timeout_s` whoever waits sets an end to it.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self.check()
                    await self._next()
        except TimeoutError as exc:
            raise DeadlinePassed(f"{what} has not happened within {timeout_s:g} s.") from exc

    async def _next(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
