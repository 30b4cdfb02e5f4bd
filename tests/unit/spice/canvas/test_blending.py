"""Operators and modes against their formulas, written out for one pixel."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.blend_modes import Mode
from frazil.spice.canvas.blending import Operator, blend, operator

CHANNEL = st.integers(0, 255)
COLOR = st.tuples(CHANNEL, CHANNEL, CHANNEL)


@st.composite
def pixels(draw: st.DrawFn) -> tuple[int, ...]:
    """Blue, green, red and alpha, with no colour over its alpha."""
    alpha = draw(CHANNEL)
    return (*(draw(st.integers(0, alpha)) for _ in range(3)), alpha)


def packed(channels: tuple[int, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    return np.array([[sum(value << 8 * i for i, value in enumerate(channels))]], np.uint32)


def blended(chosen: Operator | Mode, src: tuple[int, ...], dst: tuple[int, ...], **how: object) -> tuple[int, ...]:
    made = int(blend(chosen, packed(src), packed(dst), **how)[0, 0])  # type: ignore[arg-type]
    return tuple(made >> 8 * i & 255 for i in range(4))


FACTORS: dict[Operator, Callable[[float, float], tuple[float, float]]] = {
    Operator.CLEAR: lambda sa, da: (0, 0),
    Operator.SRC: lambda sa, da: (1, 0),
    Operator.DST: lambda sa, da: (0, 1),
    Operator.OVER: lambda sa, da: (1, 1 - sa),
    Operator.OVER_REVERSE: lambda sa, da: (1 - da, 1),
    Operator.IN: lambda sa, da: (da, 0),
    Operator.IN_REVERSE: lambda sa, da: (0, sa),
    Operator.OUT: lambda sa, da: (1 - da, 0),
    Operator.OUT_REVERSE: lambda sa, da: (0, 1 - sa),
    Operator.ATOP: lambda sa, da: (da, 1 - sa),
    Operator.ATOP_REVERSE: lambda sa, da: (1 - da, sa),
    Operator.XOR: lambda sa, da: (1 - da, 1 - sa),
    Operator.ADD: lambda sa, da: (1, 1),
    Operator.SATURATE: lambda sa, da: (min(1.0, (1 - da) / sa) if sa else 1, 1),
}


@pytest.mark.parametrize("chosen", Operator, ids=lambda one: one.name)
@given(src=pixels(), dst=pixels())
def test_operators(chosen: Operator, src: tuple[int, ...], dst: tuple[int, ...]) -> None:
    of_source, of_dest = FACTORS[chosen](src[3] / 255, dst[3] / 255)
    for made, above, below in zip(blended(chosen, src, dst), src, dst, strict=True):
        assert abs(made - min(255, above * of_source + below * of_dest)) <= 1


@given(src=pixels(), dst=pixels(), mask=st.tuples(CHANNEL, CHANNEL, CHANNEL, CHANNEL))
def test_a_mask_is_of_its_alpha_or_of_each_channel(
    src: tuple[int, ...], dst: tuple[int, ...], mask: tuple[int, ...]
) -> None:
    whole = blended(Operator.OVER, src, dst, mask=packed(mask))
    each = blended(Operator.OVER, src, dst, mask=packed(mask), by_channel=True)
    for i in range(4):
        for made, share in ((whole[i], mask[3] / 255), (each[i], mask[i] / 255)):
            assert abs(made - min(255, src[i] * share + dst[i] * (1 - src[3] / 255 * share))) <= 2


def soft_light(below: float, above: float) -> float:
    if above <= 0.5:
        return below - (1 - 2 * above) * below * (1 - below)
    curve = ((16 * below - 12) * below + 4) * below if below <= 0.25 else below**0.5
    return below + (2 * above - 1) * (curve - below)


MODES: dict[Mode, Callable[[float, float], float]] = {
    Mode.MULTIPLY: lambda below, above: below * above,
    Mode.SCREEN: lambda below, above: below + above - below * above,
    Mode.OVERLAY: lambda below, above: 2 * below * above if below <= 0.5 else 1 - 2 * (1 - below) * (1 - above),
    Mode.DARKEN: min,
    Mode.LIGHTEN: max,
    Mode.COLOR_DODGE: lambda below, above: 0 if not below else 1 if above == 1 else min(1, below / (1 - above)),
    Mode.COLOR_BURN: lambda below, above: 1 if below == 1 else 0 if not above else 1 - min(1, (1 - below) / above),
    Mode.HARD_LIGHT: lambda below, above: 2 * below * above if above <= 0.5 else 1 - 2 * (1 - below) * (1 - above),
    Mode.SOFT_LIGHT: soft_light,
    Mode.DIFFERENCE: lambda below, above: abs(below - above),
    Mode.EXCLUSION: lambda below, above: below + above - 2 * below * above,
}
"""Of PDF 1.7, 11.3.5.2."""


@pytest.mark.parametrize("mode", MODES, ids=lambda one: one.name)
@given(above=COLOR, below=COLOR)
def test_modes_of_opaque_pictures(mode: Mode, above: tuple[int, ...], below: tuple[int, ...]) -> None:
    made = blended(mode, (*above, 255), (*below, 255))
    assert made[3] == 255
    for value, s, d in zip(made[:3], above, below, strict=True):
        assert abs(value - 255 * MODES[mode](d / 255, s / 255)) <= 1.01


@pytest.mark.parametrize("mode", Mode, ids=lambda one: one.name)
@given(dst=pixels())
def test_what_is_transparent_changes_nothing(mode: Mode, dst: tuple[int, ...]) -> None:
    assert max(abs(a - b) for a, b in zip(blended(mode, (0, 0, 0, 0), dst), dst, strict=True)) <= 1


def luminosity(color: tuple[int, ...]) -> float:
    return 0.11 * color[0] + 0.59 * color[1] + 0.3 * color[2]


@given(above=COLOR, below=COLOR)
def test_modes_of_all_channels_keep_a_luminosity_or_a_hue(above: tuple[int, ...], below: tuple[int, ...]) -> None:
    src, dst = (*above, 255), (*below, 255)
    for mode, kept in (
        (Mode.HSL_HUE, dst),
        (Mode.HSL_SATURATION, dst),
        (Mode.HSL_COLOR, dst),
        (Mode.HSL_LUMINOSITY, src),
    ):
        assert abs(luminosity(blended(mode, src, dst)) - luminosity(kept)) <= 1.5
    red, green, blue = (value / 255 for value in above[::-1])
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    made = blended(Mode.HSL_COLOR, src, (128, 128, 128, 255))
    if saturation > 0.5 and 0.3 < luminosity(above) / 255 < 0.7 and max(made[:3]) < 255 and min(made[:3]) > 0:
        again = colorsys.rgb_to_hls(*(value / 255 for value in made[2::-1]))[0]
        assert min(abs(again - hue), 1 - abs(again - hue)) <= 0.03


def test_numbers_without_meaning_are_refused() -> None:
    assert operator(3) is Operator.OVER
    assert operator(0x30) is Mode.MULTIPLY
    for number in (14, 0x10, 0x2B, 0x3F, 255):
        with pytest.raises(RemoteProtocolError, match=str(number)):
            operator(number)
