"""Pictures of desktops: asked of their host, kept for some seconds, one question for any number of callers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

from frazil.controller.services.context import Context
from frazil.controller.store.rows import DesktopRow
from frazil.model.desktop import State
from frazil.model.errors import Conflict, FrazilError, HostError
from frazil.wire.rest import SCREENSHOT_AGE_S

ASK_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class _Kept:
    at_s: float
    png: bytes | FrazilError


class Screenshots:
    """Used from the event loop only."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._kept: dict[str, _Kept] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Each lives as long as somebody holds it or waits for it."""

    async def of(self, row: DesktopRow) -> bytes:
        """Raises Conflict when there is no picture to take, HostError when the host can't give it."""
        seen = row.fresh_seen
        if row.host_id is None or seen is None or seen.state not in (State.RUNNING, State.PAUSED):
            raise Conflict(f"The desktop {row.name} is not running, so there is no picture of it.")
        lock = self._locks.setdefault(row.id, asyncio.Lock())
        async with lock:
            kept = self._fresh(row.id)
            if kept is None:
                kept = await self._ask(row.id, row.host_id)
        if isinstance(kept.png, FrazilError):
            # A failure is kept as well: who waited for the same question gets the same answer.
            raise HostError(kept.png.what, remedy=kept.png.remedy) from kept.png
        return kept.png

    def _fresh(self, desktop_id: str) -> _Kept | None:
        kept = self._kept.get(desktop_id)
        if kept is None or self._ctx.clock.monotonic_s() - kept.at_s >= SCREENSHOT_AGE_S:
            return None
        return kept

    async def _ask(self, desktop_id: str, host_id: str) -> _Kept:
        asked_s = self._ctx.clock.monotonic_s()
        answer: bytes | FrazilError
        try:
            answer = await self._ctx.ask_host(host_id, desktop_id=desktop_id, deadline_s=ASK_DEADLINE_S)
        except FrazilError as exc:
            answer = exc
            asked_s = self._ctx.clock.monotonic_s()
        kept = _Kept(asked_s, answer)
        self._forget_old(asked_s)
        self._kept[desktop_id] = kept
        return kept

    def _forget_old(self, now_s: float) -> None:
        old = [one for one, kept in self._kept.items() if now_s - kept.at_s >= SCREENSHOT_AGE_S]
        for desktop_id in old:
            del self._kept[desktop_id]
