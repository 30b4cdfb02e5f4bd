"""The playback and record channels (spice-common `spice.proto`, `PlaybackChannel`, `RecordChannel`)."""

from __future__ import annotations

from enum import IntEnum

from frazil.spice.base_messages import BASE_FROM_CLIENT, BASE_FROM_SERVER, Empty
from frazil.spice.fields import U16, U32, Bool8, Rest, U16sCounted8
from frazil.spice.records import record
from frazil.spice.tables import MessageTable


class PlaybackServer(IntEnum):
    """Server to client; the client says nothing of its own."""

    DATA = 101
    MODE = 102
    START = 103
    STOP = 104
    VOLUME = 105
    MUTE = 106
    LATENCY = 107


class RecordServer(IntEnum):
    """Server to client."""

    START = 101
    STOP = 102
    VOLUME = 103
    MUTE = 104


class RecordClient(IntEnum):
    """Client to server."""

    DATA = 101
    MODE = 102
    START_MARK = 103


class PlaybackCap(IntEnum):
    """What a client can play (`SPICE_PLAYBACK_CAP_*`)."""

    CELT = 0
    VOLUME = 1
    LATENCY = 2
    OPUS = 3


class RecordCap(IntEnum):
    """What a side can record (`SPICE_RECORD_CAP_*`)."""

    CELT = 0
    VOLUME = 1
    OPUS = 2


class SoundMode(IntEnum):
    """How samples are coded. CELT is gone from today's servers."""

    RAW = 1
    CELT = 2
    OPUS = 3


SAMPLE_FORMAT_S16 = 1
"""Signed 16-bit little-endian: the only one (`SPICE_AUDIO_FMT_S16`)."""


@record
class SoundData:
    """Samples of the time `time_ms` in the multimedia clock."""

    time_ms: U32
    data: Rest


@record
class SoundModeChange:
    """`mode` is a `SoundMode`; `data` is of the codec and empty for those of today."""

    time_ms: U32
    mode: U16
    data: Rest


@record
class PlaybackStart:
    """Sound begins."""

    channels: U32
    format: U16
    frequency_hz: U32
    time_ms: U32


@record
class RecordStart:
    """The guest wants the microphone."""

    channels: U32
    format: U16
    frequency_hz: U32


@record
class Volume:
    """One value a channel, 65535 is loudest."""

    volumes: U16sCounted8


@record
class Mute:
    """Silence, without a change of the volume."""

    mute: Bool8


@record
class Latency:
    """How far ahead the server wants the client to buffer."""

    latency_ms: U32


@record
class StartMark:
    """The client's microphone is on since `time_ms`."""

    time_ms: U32


PLAYBACK_FROM_SERVER = BASE_FROM_SERVER | MessageTable(
    {
        PlaybackServer.DATA: SoundData,
        PlaybackServer.MODE: SoundModeChange,
        PlaybackServer.START: PlaybackStart,
        PlaybackServer.STOP: Empty,
        PlaybackServer.VOLUME: Volume,
        PlaybackServer.MUTE: Mute,
        PlaybackServer.LATENCY: Latency,
    }
)
RECORD_FROM_SERVER = BASE_FROM_SERVER | MessageTable(
    {
        RecordServer.START: RecordStart,
        RecordServer.STOP: Empty,
        RecordServer.VOLUME: Volume,
        RecordServer.MUTE: Mute,
    }
)
RECORD_FROM_CLIENT = BASE_FROM_CLIENT | MessageTable(
    {
        RecordClient.DATA: SoundData,
        RecordClient.MODE: SoundModeChange,
        RecordClient.START_MARK: StartMark,
    }
)
