"""Tells the controller which links were refused here, without asking it: they belong in the history too."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from frazil.gateway.backoff import Backoff
from frazil.gateway.controller_side import ControllerSide
from frazil.model.errors import NotFound, Refused, Unavailable
from frazil.wire.sessions import Refusal, Refusals

PENDING_MAX = 1000
GATHER_S = 0.2
"""Who tries again and again makes one line in the history for each such time, not one for each try."""

_log = structlog.get_logger()
_Try = tuple[str, str, str]
"""Session, address, why."""


class RefusedLinks:
    """Refusals wait here until they are delivered. A link never waits for this."""

    def __init__(self, controller: ControllerSide) -> None:
        self._controller = controller
        self._pending: Counter[_Try] = Counter()
        self._there = asyncio.Event()

    def say(self, session_id: str, remote_address: str, why: str) -> None:
        tried = (session_id, remote_address, why)
        if tried in self._pending or len(self._pending) < PENDING_MAX:
            self._pending[tried] += 1
        else:
            _log.warning("gateway.refusal-untold", session_id=session_id, remote_address=remote_address)
        self._there.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        backoff = Backoff()
        while True:
            await self._there.wait()
            await asyncio.sleep(GATHER_S)
            self._there.clear()
            if await self.flush():
                backoff.reset()
            else:
                self._there.set()
                await asyncio.sleep(backoff.next_s())

    async def flush(self) -> bool:
        """Try once; whether nothing is left to be told."""
        telling, self._pending = self._pending, Counter()
        if not telling:
            return True
        refusals = [
            Refusal(session_id=session_id, remote_address=address, why=why, times=times)
            for (session_id, address, why), times in telling.items()
        ]
        try:
            await self._controller.say_refusals(Refusals(refusals=refusals))
        except Unavailable as exc:
            _log.info("gateway.refusals-wait", why=exc.what)
            self._pending.update(telling)
            return False
        except (NotFound, Refused):  # A controller of before this knows no such address.
            _log.info("gateway.refusals-unwanted", count=len(refusals))
        return True
