"""What the real spice-server plays is heard, and its microphone hears what is spoken."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from frazil import viewer
from frazil.spice import opus
from frazil.viewer import Desktop, SoundBlock, SoundFormat
from tests.harness.qxl_card import Card, CardSettings, qxl_card
from tests.harness.tones import likeness, tones

DEADLINE_S = 60.0
SECONDS = 0.5
FRAME = 480
"""Samples of one message of the server."""
PIECE = {True: 8 * 512, False: 10 * 480}
"""Of what is spoken, raw or not, in whole blocks. The server gives nothing before it has 4096 moments, and throws away
what are more than 8192."""
RING = 8192
"""At each end of its ring the server spoils a block of Opus (see `RAW_BLOCK_SAMPLES`)."""
coded = pytest.mark.skipif(not opus.encodable(), reason="Opus needs PyAV")


async def heard_of(
    desktop: Desktop, card: Card, samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
) -> list[SoundBlock]:
    sound = desktop.sound()
    card.play(samples)
    async with asyncio.timeout(DEADLINE_S):
        return [await anext(sound) for _ in range(-(-len(samples) // FRAME))]


async def recorded_by(card: Card, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    async with asyncio.timeout(DEADLINE_S):
        while len(heard := card.recorded()) < count:
            await asyncio.sleep(0.02)
    return heard


@pytest.mark.parametrize(
    ("rate_hz", "server_codes", "exact"),
    [
        pytest.param(44_100, True, True, id="raw"),
        pytest.param(48_000, False, True, id="raw because the server is told so"),
        pytest.param(48_000, True, False, id="opus", marks=coded),
    ],
)
async def test_what_the_server_plays_is_heard(rate_hz: int, server_codes: bool, exact: bool) -> None:
    played = tones(SECONDS, rate_hz=rate_hz)
    with qxl_card(CardSettings(sound_hz=rate_hz, sound_coded=server_codes)) as card:
        async with viewer.connect(f"spice://127.0.0.1:{card.port}", sound=True) as desktop:
            for _ in range(2):  # a second sound begins anew
                blocks = await heard_of(desktop, card, played)
                heard = np.concatenate([block.samples for block in blocks])
                assert {block.format for block in blocks} == {SoundFormat(2, rate_hz)}
                times = [block.time_ms for block in blocks]
                assert times == sorted(times)
                if exact:
                    assert np.array_equal(heard[: len(played)], played)
                else:
                    assert not np.array_equal(heard[: len(played)], played)
                    assert likeness(heard, played) > 0.99
            assert desktop.volumes == (1.0, 0.0)


@pytest.mark.parametrize(
    ("rate_hz", "exact"),
    [pytest.param(44_100, True, id="raw"), pytest.param(48_000, False, id="opus", marks=coded)],
)
async def test_what_is_spoken_reaches_the_server(rate_hz: int, exact: bool) -> None:
    spoken = tones(SECONDS, rate_hz=rate_hz)
    with qxl_card(CardSettings(sound_hz=rate_hz)) as card:
        async with viewer.connect(f"spice://127.0.0.1:{card.port}", microphone=True) as desktop:
            card.record()
            assert await desktop.wait_for_microphone() == SoundFormat(2, rate_hz)
            piece = PIECE[exact]
            for end in range(piece, len(spoken) + piece, piece):
                await desktop.speak(spoken[end - piece : end])
                heard = await recorded_by(card, min(end, len(spoken)))
    if exact:
        assert np.array_equal(heard[: len(spoken)], spoken)
    else:
        assert not np.array_equal(heard[: len(spoken)], spoken)
        assert likeness(heard[:RING], spoken[:RING]) > 0.99
        assert likeness(heard, spoken) > 0.9
