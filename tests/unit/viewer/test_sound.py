"""What a desktop plays is heard, and its microphone hears what is spoken."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

import numpy as np
import pytest

from frazil import viewer
from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, InvalidInput, NotFound, RemoteProtocolError, Unavailable
from frazil.spice.base_messages import Empty
from frazil.spice.capabilities import has
from frazil.spice.channels import ChannelType
from frazil.spice.opus import OpusDecoder, OpusEncoder
from frazil.spice.sound_channels import (
    Mute,
    PlaybackCap,
    PlaybackServer,
    PlaybackStart,
    RecordCap,
    RecordServer,
    RecordStart,
    SoundData,
    SoundMode,
    SoundModeChange,
    StartMark,
    Volume,
)
from frazil.viewer import Desktop, SoundBlock, SoundFormat
from frazil.viewer.sound import KEPT_BYTES
from tests.fakes.spice_desktop import WITH_SOUND, SpiceDesktop
from tests.harness.tones import likeness, tones
from tests.harness.watched import DEADLINE_S, opened, reached, said


def with_sound(**options: object) -> SpiceDesktop:
    return SpiceDesktop(channels=WITH_SOUND, **options)  # type: ignore[arg-type]


async def linked(fake: SpiceDesktop, kind: ChannelType) -> None:
    await reached(lambda: kind in fake.clients)


def play(fake: SpiceDesktop, parts: Iterable[bytes], *, mode: SoundMode = SoundMode.RAW) -> None:
    say = fake.clients[ChannelType.PLAYBACK].say
    say(PlaybackServer.MODE, SoundModeChange(time_ms=0, mode=mode, data=b""))
    say(PlaybackServer.START, PlaybackStart(channels=2, format=1, frequency_hz=48_000, time_ms=0))
    for number, part in enumerate(parts):
        say(PlaybackServer.DATA, SoundData(time_ms=10 * number, data=part))
    say(PlaybackServer.STOP, Empty())


async def hear(desktop: Desktop, count: int) -> list[SoundBlock]:
    heard: list[SoundBlock] = []
    async with asyncio.timeout(DEADLINE_S):
        async for block in desktop.sound():
            heard.append(block)
            if len(heard) == count:
                break
    return heard


async def listening(desktop: Desktop, count: int) -> asyncio.Task[list[SoundBlock]]:
    task = asyncio.create_task(hear(desktop, count))
    await asyncio.sleep(0)  # it has begun
    return task


async def test_raw_sound_is_heard() -> None:
    fake = with_sound()
    async with opened(fake, sound=True) as desktop:
        await linked(fake, ChannelType.PLAYBACK)
        assert ChannelType.RECORD not in fake.clients
        task = await listening(desktop, 3)
        played = tones(0.03)
        play(fake, [played[at : at + 480].tobytes() for at in range(0, 1440, 480)])
        heard = await task
        assert np.array_equal(np.concatenate([block.samples for block in heard]), played)
        assert [block.time_ms for block in heard] == [0, 10, 20]
        assert {block.format for block in heard} == {SoundFormat(2, 48_000)}
        caps = fake.caps[ChannelType.PLAYBACK]
        assert [cap.name for cap in PlaybackCap if has(caps, cap)] == ["VOLUME", "OPUS"]


async def test_opus_is_heard() -> None:
    fake = with_sound()
    async with opened(fake, sound=True) as desktop:
        await linked(fake, ChannelType.PLAYBACK)
        task = await listening(desktop, 20)
        played = tones(0.2)
        play(fake, OpusEncoder(2).encode(played), mode=SoundMode.OPUS)
        assert likeness(np.concatenate([block.samples for block in await task]), played) > 0.99


async def test_two_listeners_hear_the_same_and_a_slow_one_loses_the_oldest() -> None:
    fake = with_sound()
    async with opened(fake, sound=True) as desktop:
        await linked(fake, ChannelType.PLAYBACK)
        slow = desktop.sound()
        task = await listening(desktop, 6)
        size = KEPT_BYTES // 4
        play(fake, [bytes(size)] * 6)
        assert [block.time_ms for block in await task] == [0, 10, 20, 30, 40, 50]
        assert [(await anext(slow)).time_ms for _ in range(4)] == [20, 30, 40, 50]


async def test_the_mixers_volume_is_told() -> None:
    fake = with_sound()
    async with opened(fake, sound=True) as desktop:
        await linked(fake, ChannelType.PLAYBACK)
        assert desktop.volumes == ()
        say = fake.clients[ChannelType.PLAYBACK].say
        say(PlaybackServer.VOLUME, Volume(volumes=(65535, 0)))
        await reached(lambda: desktop.volumes == (1.0, 0.0))
        say(PlaybackServer.MUTE, Mute(mute=True))
        await reached(lambda: desktop.volumes == (0.0, 0.0))


async def test_who_listens_is_told_of_the_end() -> None:
    fake = with_sound()
    async with opened(fake, sound=True) as desktop:
        await linked(fake, ChannelType.PLAYBACK)
        task = await listening(desktop, 1)
        fake.clients[ChannelType.PLAYBACK].writer.close()
        with pytest.raises(Unavailable, match="closed the playback link"):
            await task
    fake = with_sound()
    async with opened(fake, sound=True) as desktop:
        await linked(fake, ChannelType.PLAYBACK)
        task = await listening(desktop, 1)
        play(fake, [b"odd"])
        with pytest.raises(RemoteProtocolError, match="no whole samples"):
            await task


def record(fake: SpiceDesktop, rate_hz: int = 48_000) -> None:
    fake.clients[ChannelType.RECORD].say(RecordServer.START, RecordStart(channels=2, format=1, frequency_hz=rate_hz))


@pytest.mark.parametrize("caps", [(), (RecordCap.OPUS,)], ids=["raw", "opus"])
async def test_the_microphone_hears(caps: tuple[RecordCap, ...]) -> None:
    fake = with_sound(channel_caps=caps)
    async with opened(fake, microphone=True) as desktop:
        await linked(fake, ChannelType.RECORD)
        assert ChannelType.PLAYBACK not in fake.clients
        with pytest.raises(Conflict, match="does not listen now"):
            await desktop.speak(tones(0.01))
        with pytest.raises(DeadlinePassed, match="The desktop's listening"):
            await desktop.wait_for_microphone(timeout_s=0.05)
        record(fake)
        assert await desktop.wait_for_microphone() == SoundFormat(2, 48_000)
        spoken = tones(0.2)
        began = asyncio.get_running_loop().time()
        await desktop.speak(spoken)
        assert asyncio.get_running_loop().time() - began > 0.08
        await reached(lambda: len(said(fake, SoundData)) == (20 if caps else 19))
        (mode,) = said(fake, SoundModeChange)
        assert len(said(fake, StartMark)) == 1
        parts = [bytes(message.data) for message in said(fake, SoundData)]
        if caps:
            assert mode.mode == SoundMode.OPUS
            decoder = OpusDecoder(2)
            assert likeness(np.concatenate([decoder.decode(part) for part in parts]), spoken) > 0.99
        else:
            assert mode.mode == SoundMode.RAW
            assert b"".join(parts)[: spoken.nbytes] == spoken.tobytes()


async def test_what_the_microphone_does_not_take() -> None:
    fake = with_sound()
    async with opened(fake, microphone=True) as desktop:
        await linked(fake, ChannelType.RECORD)
        record(fake)
        await desktop.wait_for_microphone()
        for samples in (tones(0.01, channels=1), tones(0.01).astype(np.float64)):
            with pytest.raises(InvalidInput, match="moments × 2 channels of int16"):
                await desktop.speak(samples)  # type: ignore[arg-type]
        speaking = asyncio.create_task(desktop.speak(tones(5)))
        await reached(lambda: bool(said(fake, SoundData)))
        record(fake, 44_100)
        with pytest.raises(Conflict, match="other sound now"):
            await speaking
        fake.clients[ChannelType.RECORD].say(RecordServer.STOP, Empty())
        await reached(lambda: _silent(desktop))


def _silent(desktop: Desktop) -> bool:
    return desktop._sound.microphone.recording.format is None


async def test_sound_has_to_be_asked_for_and_there() -> None:
    fake = with_sound()
    async with opened(fake) as desktop:
        with pytest.raises(Conflict, match="does not follow sound"):
            desktop.sound()
        with pytest.raises(Conflict, match="is no microphone"):
            await desktop.speak(tones(0.01))
    assert not {ChannelType.PLAYBACK, ChannelType.RECORD} & set(fake.clients)
    for option, words in (("sound", "no sound"), ("microphone", "no microphone")):
        with pytest.raises(NotFound, match=words):
            async with viewer.connect(SpiceDesktop().give, **{option: True}):  # type: ignore[arg-type]
                pass


async def test_without_pyav_sound_is_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    fake = with_sound(channel_caps=(RecordCap.OPUS,))
    async with opened(fake, sound=True, microphone=True) as desktop:
        await linked(fake, ChannelType.RECORD)
        assert fake.caps[ChannelType.PLAYBACK] == (1 << PlaybackCap.VOLUME,)
        assert fake.caps[ChannelType.RECORD] == (1 << RecordCap.VOLUME,)
        record(fake)
        await desktop.wait_for_microphone()
        await desktop.speak(tones(0.01))
        await reached(lambda: bool(said(fake, SoundData)))
        assert said(fake, SoundModeChange)[0].mode == SoundMode.RAW
