"""Sound of the playback and record channels, raw and in Opus."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.opus import FRAME_SAMPLES, OpusDecoder, OpusEncoder
from frazil.spice.records import encode
from frazil.spice.sound import Playback, Recording, blocks_of, playback_caps, record_caps
from frazil.spice.sound_blocks import Samples, SoundBlock, SoundFormat
from frazil.spice.sound_channels import (
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
from tests.harness.tones import likeness, tones

START = PlaybackStart(channels=2, format=1, frequency_hz=48_000, time_ms=5)
OPUS = SoundModeChange(time_ms=1, mode=SoundMode.OPUS, data=b"")
LIKE = 0.99


def play(of: Playback, number: PlaybackServer, message: Any = None) -> SoundBlock | None:
    return of.handle(number, b"" if message is None else encode(message))


def data(content: bytes, time_ms: int = 7) -> SoundData:
    return SoundData(time_ms=time_ms, data=content)


def started(mode: SoundModeChange | None = None, start: PlaybackStart = START) -> Playback:
    made = Playback()
    if mode is not None:
        assert play(made, PlaybackServer.MODE, mode) is None
    assert play(made, PlaybackServer.START, start) is None
    return made


@pytest.mark.parametrize(("channels", "rate_hz"), [(1, 8_000), (2, 44_100)])
def test_raw_sound_is_as_it_was(channels: int, rate_hz: int) -> None:
    one = started(start=PlaybackStart(channels=channels, format=1, frequency_hz=rate_hz, time_ms=5))
    assert one.format == SoundFormat(channels, rate_hz)
    played = tones(0.05, channels=channels, rate_hz=rate_hz)
    block = play(one, PlaybackServer.DATA, data(played.astype("<i2").tobytes(), 9))
    assert block is not None
    assert np.array_equal(block.samples, played)
    assert block.samples.dtype == np.int16
    assert (block.format, block.time_ms) == (one.format, 9)
    assert block.duration_s == pytest.approx(0.05)


@pytest.mark.parametrize("channels", [1, 2])
def test_opus_is_like_what_was_coded(channels: int) -> None:
    one = started(OPUS, PlaybackStart(channels=channels, format=1, frequency_hz=48_000, time_ms=5))
    played = tones(0.3, channels=channels)
    heard: list[Samples] = []
    for packet in OpusEncoder(channels).encode(played):
        block = play(one, PlaybackServer.DATA, data(packet))
        assert block is not None
        assert block.samples.shape == (FRAME_SAMPLES, channels)
        heard.append(block.samples)
    assert len(heard) == 30
    assert likeness(np.concatenate(heard), played) > LIKE


def test_sound_starts_and_ends() -> None:
    one = Playback()
    raw = data(bytes(8))
    assert play(one, PlaybackServer.STOP) is None
    assert play(one, PlaybackServer.DATA, raw) is None
    play(one, PlaybackServer.START, START)
    assert play(one, PlaybackServer.DATA, raw) is not None
    play(one, PlaybackServer.STOP)
    assert one.format is None
    assert play(one, PlaybackServer.DATA, raw) is None


def test_how_loud_it_is_is_told() -> None:
    one = Playback()
    play(one, PlaybackServer.VOLUME, Volume(volumes=(0, 65535)))
    play(one, PlaybackServer.MUTE, Mute(mute=True))
    play(one, PlaybackServer.LATENCY, Latency(latency_ms=70))
    assert (one.volumes, one.muted, one.latency_ms) == ((0.0, 1.0), True, 70)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (PlaybackStart(channels=0, format=1, frequency_hz=48_000, time_ms=0), "0 channels"),
        (PlaybackStart(channels=2**32 - 1, format=1, frequency_hz=48_000, time_ms=0), "4294967295 channels"),
        (PlaybackStart(channels=2, format=1, frequency_hz=0, time_ms=0), "0 samples a second"),
        (PlaybackStart(channels=2, format=2, frequency_hz=48_000, time_ms=0), "format 2"),
    ],
    ids=["none", "many", "rate", "format"],
)
def test_what_can_not_be_played_is_refused(start: PlaybackStart, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        started(start=start)
    with pytest.raises(RemoteProtocolError, match=words):
        Recording(coded=False).handle(
            RecordServer.START,
            encode(RecordStart(channels=start.channels, format=start.format, frequency_hz=start.frequency_hz)),
        )


def test_bytes_that_are_no_samples_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="3 bytes are no whole samples of 2 channels"):
        play(started(), PlaybackServer.DATA, data(bytes(3)))
    for content in (b"", bytes(70_000)):
        with pytest.raises(RemoteProtocolError, match="no packet of Opus"):
            play(started(OPUS), PlaybackServer.DATA, data(content))
    with pytest.raises(RemoteProtocolError, match="can't be decoded"):
        play(started(OPUS), PlaybackServer.DATA, data(b"\xff" * 10))
    slow = PlaybackStart(channels=2, format=1, frequency_hz=44_100, time_ms=5)
    with pytest.raises(RemoteProtocolError, match="48000 samples a second, not 44100"):
        play(started(OPUS, slow), PlaybackServer.DATA, data(b"x"))


@pytest.mark.parametrize(("mode", "name"), [(2, "CELT"), (9, "9")])
def test_other_codecs_are_refused(mode: int, name: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"Sound comes as {name}, which"):
        started(SoundModeChange(time_ms=0, mode=mode, data=b""))


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4))
def test_any_bytes_are_sound_or_an_error(packets: list[bytes]) -> None:
    decoder = OpusDecoder(2)
    for packet in packets:
        try:
            samples = decoder.decode(packet)
        except RemoteProtocolError:
            continue
        assert samples.shape[1] == 2
        assert len(samples) <= 5760  # 120 ms


def test_what_is_named_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert playback_caps() == (PlaybackCap.VOLUME, PlaybackCap.OPUS)
    assert record_caps() == (RecordCap.VOLUME, RecordCap.OPUS)
    monkeypatch.setitem(sys.modules, "av", None)
    assert playback_caps() == (PlaybackCap.VOLUME,)
    assert record_caps() == (RecordCap.VOLUME,)
    with pytest.raises(RemoteProtocolError, match="Sound comes as OPUS, which can't be decoded here"):
        started(OPUS)


def listening(*, coded: bool, rate_hz: int = 48_000) -> Recording:
    made = Recording(coded=coded)
    made.handle(RecordServer.STOP, b"")
    made.handle(RecordServer.START, encode(RecordStart(channels=2, format=1, frequency_hz=rate_hz)))
    assert made.format == SoundFormat(2, rate_hz)
    return made


@pytest.mark.parametrize(("coded", "rate_hz"), [(False, 48_000), (True, 44_100)])
def test_raw_sound_is_recorded(coded: bool, rate_hz: int) -> None:
    """Opus is of 48 kHz only."""
    one = listening(coded=coded, rate_hz=rate_hz)
    spoken = tones(0.01, rate_hz=rate_hz)
    first, second, third = one.messages(spoken, 50)
    assert first == (RecordClient.MODE, SoundModeChange(time_ms=50, mode=SoundMode.RAW, data=b""))
    assert second == (RecordClient.START_MARK, StartMark(time_ms=50))
    assert 8192 % one.block_samples == 0
    assert third == (RecordClient.DATA, SoundData(time_ms=50, data=spoken.astype("<i2").tobytes()))
    ((number, _),) = one.messages(spoken, 60)
    assert number == RecordClient.DATA
    one.handle(RecordServer.START, encode(RecordStart(channels=2, format=1, frequency_hz=rate_hz)))
    assert len(list(one.messages(spoken, 70))) == 3


def test_opus_is_recorded() -> None:
    one = listening(coded=True)
    spoken = tones(0.3)
    decoder, heard, modes = OpusDecoder(2), [], []
    for block in blocks_of(spoken, one.block_samples):
        for _, message in one.messages(block, 50):
            if isinstance(message, SoundData):
                heard.append(decoder.decode(bytes(message.data)))
            if isinstance(message, SoundModeChange):
                modes.append(message.mode)
    assert modes == [SoundMode.OPUS]
    assert {part.shape for part in heard} == {(FRAME_SAMPLES, 2)}
    assert likeness(np.concatenate(heard), spoken) > LIKE


def test_blocks_are_whole() -> None:
    spoken = tones(0.025, channels=1)
    made = list(blocks_of(spoken, 480))
    assert [len(block) for block in made] == [480] * 3
    assert np.array_equal(np.concatenate(made)[:1200], spoken)
    assert not made[2][240:].any()


def test_how_loud_the_microphone_is_is_told() -> None:
    one = listening(coded=False)
    one.handle(RecordServer.VOLUME, encode(Volume(volumes=(65535,))))
    one.handle(RecordServer.MUTE, encode(Mute(mute=True)))
    assert (one.volumes, one.muted) == ((1.0,), True)
    one.handle(RecordServer.STOP, b"")
    assert one.format is None
