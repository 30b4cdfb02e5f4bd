"""What the playback and record channels' messages mean (spice-gtk `channel-playback.c`, `channel-record.c`). No I/O.

    playback = Playback()
    block = playback.handle(message.type, message.body)

Samples are raw or Opus. CELT, which servers before 2014 spoke, is not decoded and not announced.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice import opus
from frazil.spice.fields import Buffer
from frazil.spice.opus import OpusDecoder, OpusEncoder
from frazil.spice.sound_blocks import Samples, SoundBlock, SoundFormat
from frazil.spice.sound_channels import (
    PLAYBACK_FROM_SERVER,
    RECORD_FROM_SERVER,
    SAMPLE_FORMAT_S16,
    Latency,
    Mute,
    PlaybackCap,
    PlaybackServer,
    PlaybackStart,
    RecordCap,
    RecordClient,
    RecordServer,
    RecordStart,
    SoundData,
    SoundMode,
    SoundModeChange,
    StartMark,
    Volume,
)

CHANNELS_MAX = 2
"""spice-server has no more (`SPICE_INTERFACE_PLAYBACK_CHAN`)."""
RATES_HZ = range(8_000, 192_001)
LOUDEST = 65535
RAW_BLOCK_SAMPLES = 512
"""spice-server keeps what is recorded in a ring of 8192 moments, and spoils a block that goes over its end: it takes
wrong bytes there (`snd_record_handle_write`). These blocks end with the ring; those of Opus, with 480, can't."""


def playback_caps() -> tuple[PlaybackCap, ...]:
    """What we can do on a playback channel."""
    return (PlaybackCap.VOLUME, *([PlaybackCap.OPUS] if opus.decodable() else []))


def record_caps() -> tuple[RecordCap, ...]:
    """What we can do on a record channel."""
    return (RecordCap.VOLUME, *([RecordCap.OPUS] if opus.encodable() else []))


class Playback:
    """A playback channel. `format` is None while nothing is played.

    `volumes` are what the guest's mixer is set to, from 0 to 1 for each channel, empty until it says so; samples come
    without it. `muted` likewise. `latency_ms` is how far ahead the server wants sound to be kept.
    """

    def __init__(self) -> None:
        self.format: SoundFormat | None = None
        self.volumes: tuple[float, ...] = ()
        self.muted = False
        self.latency_ms = 0
        self._mode = SoundMode.RAW
        self._decoder: OpusDecoder | None = None

    def handle(self, number: int, body: Buffer) -> SoundBlock | None:
        """Follow a message; the sound that it brings. Raises RemoteProtocolError.

        Sound that comes before its start or behind its end is passed over: spice-server sends both together when it
        had to wait.
        """
        match PLAYBACK_FROM_SERVER.decode(number, body):
            case PlaybackStart() as start:
                self.format = _format(start)
                self._decoder = None
            case SoundModeChange() as change:
                self._mode = _mode(change)
                self._decoder = None
            case SoundData() as sound if self.format is not None:
                return SoundBlock(self._samples(sound.data, self.format), self.format, sound.time_ms)
            case Volume() as told:
                self.volumes = _volumes(told)
            case Mute() as told:
                self.muted = told.mute
            case Latency() as told:
                self.latency_ms = told.latency_ms
            case _ if number == PlaybackServer.STOP:
                self.format = None
        return None

    def _samples(self, data: Buffer, form: SoundFormat) -> Samples:
        if self._mode is SoundMode.RAW:
            if len(data) % (2 * form.channels):
                raise RemoteProtocolError(f"{len(data)} bytes are no whole samples of {form.channels} channels.")
            return np.frombuffer(data, "<i2").reshape(-1, form.channels).astype(np.int16)
        if form.rate_hz != opus.RATE_HZ:
            raise RemoteProtocolError(f"Sound in Opus has {opus.RATE_HZ} samples a second, not {form.rate_hz}.")
        if self._decoder is None:
            self._decoder = OpusDecoder(form.channels)
        return self._decoder.decode(data)


class Recording:
    """A record channel. `format` is what the guest listens for, None while it doesn't.

    `coded`: whether the server takes Opus, and it can be made here.
    """

    def __init__(self, *, coded: bool) -> None:
        self.format: SoundFormat | None = None
        self.volumes: tuple[float, ...] = ()
        self.muted = False
        self._coded = coded
        self._encoder: OpusEncoder | None = None
        self._marked = False

    def handle(self, number: int, body: Buffer) -> None:
        """Follow a message. Raises RemoteProtocolError."""
        match RECORD_FROM_SERVER.decode(number, body):
            case RecordStart() as start:
                self.format = _format(start)
                self._marked = False
                opus_fits = self._coded and self.format.rate_hz == opus.RATE_HZ
                self._encoder = OpusEncoder(self.format.channels) if opus_fits else None
            case Volume() as told:
                self.volumes = _volumes(told)
            case Mute() as told:
                self.muted = told.mute
            case _ if number == RecordServer.STOP:
                self.format = None

    @property
    def block_samples(self) -> int:
        """How many moments are best sent at once."""
        return RAW_BLOCK_SAMPLES if self._encoder is None else opus.FRAME_SAMPLES

    def messages(self, samples: Samples, time_ms: int) -> Iterator[tuple[RecordClient, object]]:
        """What to send for a block of sound of the guest's `format`, at `time_ms` of the multimedia clock.

        For Opus the block has to be some whole frames (`opus.FRAME_SAMPLES`).
        """
        if not self._marked:
            mode = SoundMode.RAW if self._encoder is None else SoundMode.OPUS
            yield RecordClient.MODE, SoundModeChange(time_ms=time_ms, mode=mode, data=b"")
            yield RecordClient.START_MARK, StartMark(time_ms=time_ms)
            self._marked = True
        packets = [samples.astype("<i2").tobytes()] if self._encoder is None else self._encoder.encode(samples)
        for packet in packets:
            yield RecordClient.DATA, SoundData(time_ms=time_ms, data=packet)


def blocks_of(samples: Samples, size: int) -> Iterator[Samples]:
    """`samples` in blocks of so many moments, the last one filled up with silence."""
    for start in range(0, len(samples), size):
        block = samples[start : start + size]
        yield np.pad(block, ((0, size - len(block)), (0, 0)))


def _format(start: PlaybackStart | RecordStart) -> SoundFormat:
    if not 1 <= start.channels <= CHANNELS_MAX or start.frequency_hz not in RATES_HZ:
        raise RemoteProtocolError(
            f"Sound of {start.channels} channels with {start.frequency_hz} samples a second is none that we take."
        )
    if start.format != SAMPLE_FORMAT_S16:
        raise RemoteProtocolError(f"Samples of format {start.format} are none that SPICE has.")
    return SoundFormat(start.channels, start.frequency_hz)


def _mode(change: SoundModeChange) -> SoundMode:
    if change.mode == SoundMode.RAW:
        return SoundMode.RAW
    if change.mode == SoundMode.OPUS and opus.decodable():
        return SoundMode.OPUS
    known = [mode.name for mode in SoundMode if mode == change.mode]
    raise RemoteProtocolError(f"Sound comes as {known[0] if known else change.mode}, which can't be decoded here.")


def _volumes(told: Volume) -> tuple[float, ...]:
    return tuple(volume / LOUDEST for volume in told.volumes)
