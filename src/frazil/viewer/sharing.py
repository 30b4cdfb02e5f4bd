"""What goes over a desktop's agent: sizes of screens, text on the clipboard, and files."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, FrazilError, InvalidInput, Refused
from frazil.spice.agent_messages import AgentCap, AgentType, MonitorsConfig
from frazil.spice.records import encode
from frazil.viewer.agent import Agent
from frazil.viewer.clipboard import Clipboard
from frazil.viewer.transfers import Transfer, Transfers
from frazil.viewer.waiting import Changes

PIECE_BYTES = 64 << 10
"""Of a file, in one message: as spice-gtk sends it."""
CANCELLING_S = 2.0
"""For the desktop to hear that a file won't come."""


class Sharing:
    """One desktop's. `flush` sends what the agent has to say, as far as its tokens allow."""

    def __init__(self, changes: Changes, flush: Callable[[], Awaitable[None]]) -> None:
        self.agent = Agent()
        self._clipboard = Clipboard(self.agent)
        self._transfers = Transfers(self.agent)
        self._changes = changes
        self._flush = flush

    def hear(self, body: memoryview) -> None:
        """What one `AGENT_DATA` of the server brings. Raises RemoteProtocolError."""
        told = self.agent.feed(body)
        if told is not None:
            self._clipboard.hear(*told)
            self._transfers.hear(*told)

    # The monitors

    async def arrange(self, wanted: MonitorsConfig) -> None:
        """Raises Conflict."""
        self._changes.check()
        if not self.agent.can(AgentCap.MONITORS_CONFIG):
            raise Conflict("The desktop's agent can't change the size of its screens.")
        self.agent.say(AgentType.MONITORS_CONFIG, encode(wanted))
        await self._flush()

    # The clipboard

    async def offer(self, text: str) -> None:
        self._changes.check()
        self._clipboard.offer(text)
        await self._flush()

    async def pasted(self, *, timeout_s: float) -> None:
        ours = self._clipboard

        def over() -> bool:
            return (ours.fetched and self.agent.idle) or not (ours.offering and self.agent.ready)

        await self._changes.until(over, what="The pasting of the text", timeout_s=timeout_s)
        if not ours.fetched:
            raise Conflict("The text is not on the desktop's clipboard any more: something else is, or its agent went.")

    async def text(self, *, timeout_s: float) -> str:
        self._changes.check()
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    offered = self._clipboard.offered  # an agent may have text that was copied before we came
                    text = await self._ask(2 * timeout_s)
                    if text is not None:
                        return text
                    if offered:
                        raise Refused(
                            "The desktop does not give the text that was copied.",
                            remedy="It may be larger than the desktop's policy lets pass.",
                        )
                    await self._changes.until(
                        lambda: self._clipboard.offered, what="A copying", timeout_s=2 * timeout_s
                    )
        except TimeoutError as exc:
            raise DeadlinePassed(
                f"No text came from the desktop's clipboard within {timeout_s:g} s.",
                remedy="Nothing was copied there, or the desktop's policy lets nothing out.",
            ) from exc

    async def _ask(self, timeout_s: float) -> str | None:
        self._clipboard.ask()
        await self._flush()
        await self._changes.until(
            lambda: self._clipboard.answered or not self.agent.ready, what="An answer", timeout_s=timeout_s
        )
        if not self._clipboard.answered:
            raise Conflict("The desktop's agent went away when it was asked for its text.")
        return self._clipboard.text

    # Files

    async def send_file(self, path: Path, told: Callable[[int, int], None], *, timeout_s: float) -> None:
        self._changes.check()
        file = await asyncio.to_thread(_opened, path)
        with file:
            transfer = self._transfers.start(path.name, os.fstat(file.fileno()).st_size)
            try:
                await self._send(transfer, file, told, timeout_s)
            finally:
                self._transfers.end(transfer)
                with suppress(FrazilError):  # what ended the transfer is what is told
                    await self._drain(CANCELLING_S)

    async def _send(
        self, transfer: Transfer, file: BinaryIO, told: Callable[[int, int], None], timeout_s: float
    ) -> None:
        await self._flush()
        await self._changes.until(
            lambda: transfer.result is not None or self._transfers.over(transfer),
            what=f"The desktop's agreeing to take {transfer.name}", timeout_s=timeout_s,
        )  # fmt: skip
        sent, size = 0, transfer.size_bytes
        while True:
            self._transfers.check(transfer, whole=False)
            told(sent, size)
            piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, size - sent))
            if not piece and size:
                raise Conflict(f"{transfer.name} became shorter while it was sent.", remedy="Send it again.")
            self._transfers.data(transfer, piece)
            await self._drain(timeout_s, or_when=lambda: self._transfers.over(transfer))
            sent += len(piece)
            if sent == size:
                break
        told(sent, size)
        await self._changes.until(
            lambda: self._transfers.over(transfer),
            what=f"The desktop's storing of {transfer.name}", timeout_s=timeout_s,
        )  # fmt: skip
        self._transfers.check(transfer, whole=True)

    async def _drain(self, timeout_s: float, *, or_when: Callable[[], bool] = lambda: False) -> None:
        """Wait until all that was said is sent, for which the server has to give tokens."""
        await self._flush()
        await self._changes.until(
            lambda: self.agent.idle or or_when(), what="The desktop's taking of what is sent", timeout_s=timeout_s
        )


def _opened(path: Path) -> BinaryIO:
    """Raises InvalidInput."""
    try:
        file = path.open("rb")
    except OSError as exc:
        raise InvalidInput(f"{path} can't be read: {exc.strerror}.", field="path") from exc
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InvalidInput(f"{path} is no file with an end, as only those can be sent.", field="path")
    return file
