"""The video streams of one display link: how many there were, where they show, and what the server hears of them.

A server shapes a stream by what its viewer reports: how far ahead of their time pictures come. This reports as
spice-html5 does, after as many frames or as much time as the server asked for. No frame is decoded, so none is late for
want of a processor. Numbers and layouts are spice-protocol's `enums.h` and spice-common's `spice.proto`.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass

from frazil.spice.framing import Message

STREAM_CREATE, STREAM_DATA, DATA_SIZED, ACTIVATE_REPORT = 122, 123, 316, 319
STREAM_REPORT = 102
VIDEO_CAPS = 1 << 0 | 1 << 4 | 1 << 8 | 1 << 9
"""SIZED_STREAM, STREAM_REPORT, MULTI_CODEC and CODEC_MJPEG, as the page's viewer says without VP8."""
CREATED = struct.Struct("<4xI26xiiii")
"""Of STREAM_CREATE: the stream; where it shows, behind surface, flags, codec, stamp and both sizes."""
FRAME = struct.Struct("<II")
SIZED_BOX = struct.Struct("<16xiiii")
WANTED = struct.Struct("<IIII")
REPORT = struct.Struct("<IIIIIIiI")
NO_SOUND = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Box:
    """Of pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    def holds(self, x: int, y: int) -> bool:
        return self.left <= x < self.right and self.top <= y < self.bottom


class MediaTime:
    """The server's clock of sound and video, as the viewer goes by it; in milliseconds."""

    def __init__(self, said_ms: int) -> None:
        self._offset_ms = said_ms - time.monotonic() * 1000

    def now_ms(self) -> int:
        return int(time.monotonic() * 1000 + self._offset_ms)


@dataclass(slots=True)
class _Reporting:
    """One stream's frames since the last report."""

    unique_id: int
    window_frames: int
    timeout_ms: int
    frames: int = 0
    first_ms: int = 0


class Streams:
    """`created` and `frames` count; `time` is set by the main link."""

    def __init__(self) -> None:
        self.created = 0
        self.frames = 0
        self.time = MediaTime(0)
        self._boxes: dict[int, Box] = {}
        self._reporting: dict[int, _Reporting] = {}

    def take(self, message: Message) -> Box | None:
        """Where a message shows the next picture of a video."""
        if message.type == STREAM_CREATE:
            number, top, left, bottom, right = CREATED.unpack_from(message.body)
            self._boxes[number] = Box(left, top, right, bottom)
            self._reporting.pop(number, None)
            self.created += 1
        elif message.type == ACTIVATE_REPORT:
            number, unique_id, window_frames, timeout_ms = WANTED.unpack_from(message.body)
            self._reporting[number] = _Reporting(unique_id, window_frames, timeout_ms)
        elif message.type == STREAM_DATA:
            self.frames += 1
            return self._boxes[FRAME.unpack_from(message.body)[0]]
        elif message.type == DATA_SIZED:
            self.frames += 1
            top, left, bottom, right = SIZED_BOX.unpack_from(message.body)
            return Box(left, top, right, bottom)
        return None

    def report(self, message: Message) -> bytes | None:
        """What the server is to hear now, after this frame."""
        number, due_ms = FRAME.unpack_from(message.body)
        of = self._reporting.get(number)
        if of is None:
            return None
        of.first_ms = of.first_ms or due_ms
        of.frames += 1
        if of.frames <= of.window_frames and due_ms - of.first_ms <= of.timeout_ms:
            return None
        delay_ms = due_ms - self.time.now_ms()
        said = REPORT.pack(number, of.unique_id, of.first_ms, due_ms, of.frames, 0, delay_ms, NO_SOUND)
        of.frames = of.first_ms = 0
        return said
