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
from frazil.viewer.channel import Channel
from frazil.viewer.waiting import Changes

LATE_S = 30.0
"""A channel that has not come so far by then never will."""


class Order:
    """One for a connection."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._links: dict[tuple[int, int], Channel] = {}
        self._waiting = 0

    def add(self, link: Channel, number: int) -> None:
        """A channel, in the place of the one that had this kind and number."""
        self._links[link.kind, number] = link
        link.progressed = self._progressed

    async def reached(self, waits: WaitForChannels) -> None:
        """Wait until the other channels have come so far; those that are not followed don't count.

        Raises RemoteProtocolError when they don't come.
        """
        for wait in waits.waits:
            link = self._links.get((wait.channel_type, wait.channel_id))
            if link is not None:
                what = f"{channel_name(wait.channel_type)} {wait.channel_id}'s message {wait.message_serial}"
                await self._until(partial(_has_handled, link, wait.message_serial), what)

    async def another(self, display: int) -> bool:
        """Wait until another display than this one has come further; False where there is none.

        Raises RemoteProtocolError when none does.
        """
        others = [
            link for (kind, number), link in self._links.items() if kind == ChannelType.DISPLAY and number != display
        ]
        if not others:
            return False
        before = sum(link.handled for link in others)
        await self._until(lambda: sum(link.handled for link in others) > before, f"a picture for display {display}")
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


def _has_handled(link: Channel, serial: int) -> bool:
    return link.handled >= serial
