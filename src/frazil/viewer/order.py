"""How far the channels of a connection have come, for those that have to wait for another one.

Displays share their pictures: one may name a picture that another one brings (spice-server `pixmap-cache.c`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from frazil.model.errors import RemoteProtocolError
from frazil.spice.base_messages import WaitForChannels
from frazil.spice.channels import ChannelType, channel_name
from frazil.viewer.line import Line
from frazil.viewer.waiting import Changes

LATE_S = 30.0
"""A channel that has not come so far by then never will."""


class Order:
    """One for a connection."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._lines: dict[tuple[int, int], Line] = {}
        self._waiting = 0

    def add(self, line: Line) -> None:
        """One more channel."""
        self._lines[line.kind, line.number] = line
        line.progressed = self._progressed

    async def reached(self, waits: WaitForChannels) -> None:
        """Wait until the other channels have come so far; those that are not followed don't count.

        Raises RemoteProtocolError when they don't come.
        """
        for wait in waits.waits:
            line = self._lines.get((wait.channel_type, wait.channel_id))
            if line is not None:
                what = f"{channel_name(wait.channel_type)} {wait.channel_id}'s message {wait.message_serial}"
                await self._until(partial(_has_handled, line, wait.message_serial), what)

    async def another(self, display: int) -> bool:
        """Wait until another display than this one has come further; False where there is none.

        Raises RemoteProtocolError when none does.
        """
        others = [
            line for (kind, number), line in self._lines.items() if kind == ChannelType.DISPLAY and number != display
        ]
        if not others:
            return False
        before = sum(line.handled for line in others)
        await self._until(lambda: sum(line.handled for line in others) > before, f"a picture for display {display}")
        return True

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(LATE_S):
                await self._changes.until(condition, what=what, timeout_s=None)
        except TimeoutError as exc:
            raise RemoteProtocolError(f"The server has one channel wait for {what}, which does not come.") from exc
        finally:
            self._waiting -= 1

    def _progressed(self) -> None:
        if self._waiting:
            self._changes.tell()


def _has_handled(line: Line, serial: int) -> bool:
    return line.handled >= serial
