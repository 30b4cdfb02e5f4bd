"""Tells the controller which sessions have a viewer, as soon as it can be told."""

from __future__ import annotations

import asyncio

import structlog

from frazil.gateway.backoff import Backoff
from frazil.gateway.controller_side import ControllerSide
from frazil.model.errors import NotFound, Refused, Unavailable
from frazil.wire.sessions import LinkState

_log = structlog.get_logger()
PENDING_MAX = 10_000


class Reports:
    """The newest state of each session waits here until it is delivered; an older one is forgotten.

    A link never waits for this: while the controller is away, the pictures go on.
    """

    def __init__(self, controller: ControllerSide) -> None:
        self._controller = controller
        self._pending: dict[str, LinkState] = {}
        self._there = asyncio.Event()

    def say(self, session_id: str, state: LinkState) -> None:
        self._pending.pop(session_id, None)
        self._pending[session_id] = state
        while len(self._pending) > PENDING_MAX:
            del self._pending[next(iter(self._pending))]
        self._there.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        backoff = Backoff()
        while True:
            await self._there.wait()
            self._there.clear()
            while self._pending:
                if await self._deliver_all():
                    backoff.reset()
                else:
                    await asyncio.sleep(backoff.next_s())

    async def flush(self) -> None:
        """One last try for what is left; for a process that is about to end."""
        await self._deliver_all()

    async def _deliver_all(self) -> bool:
        """False at the first one that can't be delivered now."""
        for session_id, state in tuple(self._pending.items()):
            try:
                await self._controller.say(session_id, state)
            except Unavailable as exc:
                _log.info("gateway.report-waits", session_id=session_id, why=exc.what)
                return False
            except (NotFound, Refused):
                _log.info("gateway.report-unwanted", session_id=session_id)
            if self._pending.get(session_id) is state:
                del self._pending[session_id]
        return True
