"""Opus, by PyAV's libopus where it is installed. SPICE has it at 48 kHz, ten milliseconds in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice import pyav
from frazil.spice.fields import Buffer
from frazil.spice.sound_blocks import Samples

if TYPE_CHECKING:
    from av import AudioCodecContext

RATE_HZ = 48_000
FRAME_SAMPLES = 480
"""What spice-server takes in a message, of each channel (`SND_CODEC_OPUS_FRAME_SIZE`)."""
PACKET_MAX_BYTES = 1 << 16
"""More than libopus makes of the 120 ms that a packet can have at most."""
_NAME = "libopus"
_LAYOUTS = {1: "mono", 2: "stereo"}


def decodable() -> bool:
    """Whether Opus can be decoded here."""
    return pyav.knows(_NAME, "r")


def encodable() -> bool:
    """Whether Opus can be coded here."""
    return pyav.knows(_NAME, "w")


class OpusDecoder:
    """Of one stream of sound with one or two channels."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._context = _context("r", channels)

    def decode(self, data: Buffer) -> Samples:
        """A packet's samples. Raises RemoteProtocolError."""
        import av

        if not 0 < len(data) <= PACKET_MAX_BYTES:
            raise RemoteProtocolError(f"{len(data)} bytes are no packet of Opus.")
        try:
            frames = self._context.decode(av.Packet(bytes(data)))
        except av.FFmpegError as exc:
            raise RemoteProtocolError(f"A packet of Opus can't be decoded: {exc.strerror}.") from exc
        parts = [np.asarray(frame.to_ndarray(), np.int16).reshape(-1, self._channels) for frame in frames]
        return np.concatenate([np.empty((0, self._channels), np.int16), *parts])


class OpusEncoder:
    """Of one stream of sound with one or two channels."""

    def __init__(self, channels: int) -> None:
        self._layout = _LAYOUTS[channels]
        self._context = _context("w", channels)

    def encode(self, samples: Samples) -> list[bytes]:
        """Packets of `FRAME_SAMPLES`: one for each that `samples` has, of which there has to be a whole number."""
        import av

        packed = np.ascontiguousarray(samples, np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=self._layout)
        frame.sample_rate = RATE_HZ
        return [bytes(packet) for packet in self._context.encode(frame)]


def _context(mode: Literal["r", "w"], channels: int) -> AudioCodecContext:
    import av

    context = av.CodecContext.create(_NAME, mode)
    assert isinstance(context, av.AudioCodecContext)
    context.thread_count = 1
    context.sample_rate = RATE_HZ
    context.layout = _LAYOUTS[channels]
    if mode == "w":
        context.format = "s16"
        context.bit_rate = 64_000 * channels
        context.options = {"frame_duration": "10"}
    return context
