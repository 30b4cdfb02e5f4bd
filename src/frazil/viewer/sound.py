"""A desktop's loudspeakers and its microphone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from weakref import WeakSet

import numpy as np

from frazil.model.errors import Conflict, InvalidInput
from frazil.spice import opus
from frazil.spice.capabilities import has
from frazil.spice.framing import Message
from frazil.spice.sound import Playback, Recording, blocks_of
from frazil.spice.sound_blocks import Samples, SoundBlock, SoundFormat
from frazil.spice.sound_channels import RecordCap
from frazil.viewer.line import Line
from frazil.viewer.waiting import Changes

KEPT_BYTES = 1 << 22
"""For a listener that is slow: some twenty seconds."""
AHEAD_S = 0.03
"""So much sound is sent before its time. spice-server keeps 8192 moments, 171 ms, the last ones when it gets more."""


class Sound:
    """Both, where they are followed, and the multimedia clock, which says `time_ms` now."""

    def __init__(self, changes: Changes, time_ms: int) -> None:
        self._changes = changes
        self._speakers: Speakers | None = None
        self._microphone: Microphone | None = None
        self.set_clock(time_ms)

    def take_playback(self) -> Speakers:
        """A playback channel is followed from now on."""
        self._speakers = Speakers(self._changes)
        return self._speakers

    def take_record(self, line: Line) -> Microphone:
        """A record channel is followed from now on."""
        self._microphone = Microphone(line, self._changes, clock_ms=self._clock_ms)
        return self._microphone

    @property
    def speakers(self) -> Speakers:
        """Raises Conflict where they are not followed."""
        if self._speakers is None:
            raise Conflict("This connection does not follow sound.", remedy="Give connect sound=True.")
        return self._speakers

    @property
    def microphone(self) -> Microphone:
        """Raises Conflict where we are none."""
        if self._microphone is None:
            raise Conflict("This connection is no microphone.", remedy="Give connect microphone=True.")
        return self._microphone

    def set_clock(self, time_ms: int) -> None:
        self._ahead_ms = time_ms - _now_ms()

    def _clock_ms(self) -> int:
        return (_now_ms() + self._ahead_ms) & 0xFFFFFFFF


class Speakers:
    """What the desktop plays, for whoever listens meanwhile."""

    def __init__(self, changes: Changes) -> None:
        self.playback = Playback()
        self._changes = changes
        self._listeners: WeakSet[_Kept] = WeakSet()  # they end with whoever listens

    @property
    def volumes(self) -> tuple[float, ...]:
        """0 to 1 for each channel; zeros when muted."""
        return tuple(0.0 for _ in self.playback.volumes) if self.playback.muted else self.playback.volumes

    def renew(self) -> None:
        """The server has begun anew."""
        self.playback = Playback()

    async def hear(self, message: Message) -> None:
        """A message of the playback channel. Raises RemoteProtocolError."""
        block = self.playback.handle(message.type, message.body)
        if block is not None:
            for kept in self._listeners:
                kept.add(block)
        self._changes.tell()

    def blocks(self) -> AsyncIterator[SoundBlock]:
        """What is played from now on; raises what the connection ends with."""
        kept = _Kept()
        self._listeners.add(kept)
        return self._following(kept)

    async def _following(self, kept: _Kept) -> AsyncIterator[SoundBlock]:
        while True:
            await self._changes.until(lambda: bool(kept.blocks), what="Sound", timeout_s=None)
            yield kept.take()


class _Kept:
    """One listener's blocks. When there are too many, the oldest go: the times of the others tell."""

    def __init__(self) -> None:
        self.blocks: deque[SoundBlock] = deque()
        self._bytes = 0

    def add(self, block: SoundBlock) -> None:
        self.blocks.append(block)
        self._bytes += block.samples.nbytes
        while self._bytes > KEPT_BYTES and len(self.blocks) > 1:
            self.take()

    def take(self) -> SoundBlock:
        block = self.blocks.popleft()
        self._bytes -= block.samples.nbytes
        return block


class Microphone:
    """What the desktop hears. `clock_ms` is the multimedia clock."""

    def __init__(self, line: Line, changes: Changes, *, clock_ms: Callable[[], int]) -> None:
        self._line = line
        self.renew()
        self._changes = changes
        self._clock_ms = clock_ms

    def renew(self) -> None:
        """The server has begun anew."""
        self.recording = Recording(coded=has(self._line.server_caps, RecordCap.OPUS) and opus.encodable())

    async def hear(self, message: Message) -> None:
        """A message of the record channel. Raises RemoteProtocolError."""
        self.recording.handle(message.type, message.body)
        self._changes.tell()

    async def wanted(self, *, timeout_s: float) -> SoundFormat:
        """Wait until the desktop listens, and for what. Raises DeadlinePassed."""
        await self._changes.until(
            lambda: self.recording.format is not None, what="The desktop's listening", timeout_s=timeout_s
        )
        return self._format()

    async def speak(self, samples: Samples) -> None:
        """Raises Conflict, InvalidInput, Unavailable."""
        form = self._format()
        if samples.dtype != np.int16 or samples.ndim != 2 or samples.shape[1] != form.channels:
            raise InvalidInput(
                f"The desktop listens for moments × {form.channels} channels of int16, not {samples.shape} of"
                f" {samples.dtype}.",
                field="samples",
            )
        loop = asyncio.get_running_loop()
        due_s = loop.time() - AHEAD_S
        for block in blocks_of(samples, self.recording.block_samples):
            due_s = max(due_s, loop.time() - AHEAD_S)  # what is late is not hurried: the server would throw it away
            await asyncio.sleep(due_s - loop.time())  # sound has its pace
            if self._format() != form:
                raise Conflict("The desktop listens for other sound now.", remedy="Ask again: wait_for_microphone.")
            for number, message in self.recording.messages(block, self._clock_ms()):
                await self._line.send(number, message)
            due_s += len(block) / form.rate_hz

    def _format(self) -> SoundFormat:
        self._changes.check()
        if self.recording.format is None:
            raise Conflict("The desktop does not listen now.", remedy="Wait until it does: wait_for_microphone.")
        return self.recording.format


def _now_ms() -> int:
    return round(asyncio.get_running_loop().time() * 1000)
