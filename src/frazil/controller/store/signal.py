"""A counter that grows when something changed, and that tasks can wait on."""

from __future__ import annotations

import asyncio


class Signal:
    """Level-triggered: who waits says what it has seen, so nothing is missed and any number may wait.

    Used from the event loop only.
    """

    def __init__(self) -> None:
        self._version = 0
        self._closed = False
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def version(self) -> int:
        return self._version

    @property
    def closed(self) -> bool:
        """True once the process is ending: streams end by themselves."""
        return self._closed

    def bump(self) -> None:
        self._version += 1
        self._release()

    def close(self) -> None:
        self._closed = True
        self._release()

    def _release(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait(self, seen: int, *, timeout_s: float) -> bool:
        """Wait until the version is past `seen`, at most `timeout_s`; whether it is. Returns at once when closed."""
        if self._version > seen or self._closed:
            return self._version > seen
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return self._version > seen
