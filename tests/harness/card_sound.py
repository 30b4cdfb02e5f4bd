"""A sound card for the real spice-server (`spice-audio.h`): it plays what a test gives, and keeps what it records."""

from __future__ import annotations

import ctypes

import numpy as np

from frazil.spice.sound_blocks import Samples
from tests.harness.spice_library import Instance, Loop, interface

TICK_MS = 10
CHANNELS = 2
RECORD_AT_ONCE = 8192
HELD = 2


class Speaker:
    """A frame of the server's length each tick, as a sound card has its clock.

    The server has three frames for a client, and throws away one that waits when it gets the next one. Two of them are
    kept here, so that the third one comes back only when it was sent: nothing is lost, however slow the client is.
    """

    def __init__(self, library: ctypes.CDLL, server: ctypes.c_void_p, loop: Loop, *, rate_hz: int) -> None:
        self._library = library
        self._loop = loop
        self._interface = interface("playback", 1, 3, [])
        self._instance = Instance(ctypes.addressof(self._interface), None)
        assert library.spice_server_add_interface(server, ctypes.byref(self._instance)) == 0
        library.spice_server_playback_set_volume(
            ctypes.byref(self._instance), CHANNELS, (ctypes.c_uint16 * 2)(65535, 0)
        )
        library.spice_server_set_playback_rate(ctypes.byref(self._instance), rate_hz)
        self._held: list[int] = []
        self._left: Samples = np.empty((0, CHANNELS), np.int16)
        self._timer = loop.timer_add(self._tick, None)

    def play(self, samples: Samples) -> None:
        """As whole frames: what is left over at the end is filled up with silence."""
        self._left = np.ascontiguousarray(samples)
        self._library.spice_server_playback_start(ctypes.byref(self._instance))
        self._loop.timer_start(self._timer, TICK_MS)

    def _tick(self, _opaque: None) -> None:
        frame, size = ctypes.c_void_p(), ctypes.c_uint32()
        self._library.spice_server_playback_get_buffer(
            ctypes.byref(self._instance), ctypes.byref(frame), ctypes.byref(size)
        )
        if frame.value is not None and len(self._held) < HELD:
            self._held.append(frame.value)
        elif frame.value is not None:
            part, self._left = self._left[: size.value], self._left[size.value :]
            part = np.pad(part, ((0, size.value - len(part)), (0, 0)))
            ctypes.memmove(frame.value, part.tobytes(), part.nbytes)
            self._library.spice_server_playback_put_samples(ctypes.byref(self._instance), frame)
        if len(self._left):
            self._loop.timer_start(self._timer, TICK_MS)
        else:
            self._library.spice_server_playback_stop(ctypes.byref(self._instance))


class Microphone:
    """It takes what the server has of the client's sound each tick."""

    def __init__(self, library: ctypes.CDLL, server: ctypes.c_void_p, loop: Loop, *, rate_hz: int) -> None:
        self._library = library
        self._loop = loop
        self._interface = interface("record", 2, 3, [])
        self._instance = Instance(ctypes.addressof(self._interface), None)
        assert library.spice_server_add_interface(server, ctypes.byref(self._instance)) == 0
        library.spice_server_set_record_rate(ctypes.byref(self._instance), rate_hz)
        self._parts: list[Samples] = []
        self._buffer = (ctypes.c_uint32 * RECORD_AT_ONCE)()
        self._timer = loop.timer_add(self._tick, None)

    def start(self) -> None:
        self._library.spice_server_record_start(ctypes.byref(self._instance))
        self._loop.timer_start(self._timer, TICK_MS)

    def heard(self) -> Samples:
        """All of it so far."""
        return np.concatenate([np.empty((0, CHANNELS), np.int16), *self._parts])

    def _tick(self, _opaque: None) -> None:
        count = self._library.spice_server_record_get_samples(
            ctypes.byref(self._instance), self._buffer, RECORD_AT_ONCE
        )
        taken = np.frombuffer(bytes(self._buffer)[: 4 * count], "<i2").reshape(-1, CHANNELS)
        if count:
            self._parts.append(taken.astype(np.int16))
        self._loop.timer_start(self._timer, TICK_MS)
