"""PDF's blend modes, which X's Render extension has as operators too (pixman `pixman-combine32.c`, `-float.c`).

Where the pictures overlap, a mode makes a colour of both; beside that each is seen through what the other leaves free.
Most modes are counted in whole numbers of 255ths, those with a division in floating point, as pixman does it; so that
the pixels are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Whole: TypeAlias = npt.NDArray[np.int32]
Real: TypeAlias = npt.NDArray[np.float32]


class Mode(IntEnum):
    """Numbers of `pixman_op_t`."""

    MULTIPLY = 0x30
    SCREEN = 0x31
    OVERLAY = 0x32
    DARKEN = 0x33
    LIGHTEN = 0x34
    COLOR_DODGE = 0x35
    COLOR_BURN = 0x36
    HARD_LIGHT = 0x37
    SOFT_LIGHT = 0x38
    DIFFERENCE = 0x39
    EXCLUSION = 0x3A
    HSL_HUE = 0x3B
    HSL_SATURATION = 0x3C
    HSL_COLOR = 0x3D
    HSL_LUMINOSITY = 0x3E


def in_whole_numbers(mode: Mode, src: Whole, alphas: Whole, dst: Whole) -> Whole:
    """… × 4 channels of 0 to 255, alpha last. `alphas` are the source's: one for all channels, or one for each."""
    da = dst[..., 3:]
    colors, their_alphas = src[..., :3], np.broadcast_to(alphas, src.shape)[..., :3]
    below = dst[..., :3]
    if mode is Mode.MULTIPLY:
        made = np.minimum(_over_255(src * (255 - da)) + _over_255(dst * (255 - alphas)), 255)
        return np.asarray(np.minimum(made + _over_255(dst * src), 255), np.int32)
    free = (255 - their_alphas) * below + (255 - da) * colors
    mixed = free + _WHOLE[mode](below, da, colors, their_alphas)
    own_alpha = alphas[..., -1:]
    alpha = 255 * (da + own_alpha) - da * own_alpha
    return _over_255(np.clip(np.concatenate((mixed, alpha), axis=-1), 0, 255 * 255))


def in_floating_point(mode: Mode, src: Real, alphas: Real, dst: Real) -> Real:
    """The same with channels of 0 to 1."""
    da = dst[..., 3:]
    colors, their_alphas = src[..., :3], np.broadcast_to(alphas, src.shape)[..., :3]
    below = dst[..., :3]
    free = (1 - their_alphas) * below + (1 - da) * colors
    own_alpha = alphas[..., -1:]
    if mode in _HSL:
        mixed = free + _HSL[mode](below, da, colors, own_alpha)
    else:
        mixed = free + _REAL[mode](below, da, colors, their_alphas)
    return np.concatenate((mixed, da + own_alpha - da * own_alpha), axis=-1).astype(np.float32)


def _over_255(value: Whole) -> Whole:
    """Rounded."""
    more = value + 128
    return more + (more >> 8) >> 8


def _hard_light(dc: Whole, da: Whole, sc: Whole, sa: Whole) -> Whole:
    return np.where(2 * sc < sa, 2 * sc * dc, sa * da - 2 * (da - dc) * (sa - sc))


_WHOLE: dict[Mode, Callable[[Whole, Whole, Whole, Whole], Whole]] = {
    Mode.SCREEN: lambda dc, da, sc, sa: sc * da + dc * sa - sc * dc,
    Mode.OVERLAY: lambda dc, da, sc, sa: np.where(2 * dc < da, 2 * sc * dc, sa * da - 2 * (da - dc) * (sa - sc)),
    Mode.DARKEN: lambda dc, da, sc, sa: np.minimum(sc * da, dc * sa),
    Mode.LIGHTEN: lambda dc, da, sc, sa: np.maximum(sc * da, dc * sa),
    Mode.HARD_LIGHT: _hard_light,
    Mode.DIFFERENCE: lambda dc, da, sc, sa: np.abs(dc * sa - sc * da),
    Mode.EXCLUSION: lambda dc, da, sc, sa: sc * da + dc * sa - 2 * dc * sc,
}
"""Colours and alphas below and above: dc, da, sc, sa."""


def _divided(dividend: Real, divisor: Real) -> Real:
    """0 where the divisor is."""
    wide = np.broadcast_arrays(dividend, divisor)
    made: Real = np.divide(wide[0], wide[1], out=np.zeros(wide[0].shape, np.float32), where=wide[1] != 0)
    return made


def _dodge(dc: Real, da: Real, sc: Real, sa: Real) -> Real:
    full = (dc * sa >= sa * da - sc * da) | (sa - sc == 0)
    return np.where(dc == 0, np.float32(0), np.where(full, sa * da, _divided(sa * sa * dc, sa - sc)))


def _burn(dc: Real, da: Real, sc: Real, sa: Real) -> Real:
    none = (sa * (da - dc) >= sc * da) | (sc == 0)
    burnt = sa * (da - _divided(sa * (da - dc), sc))
    return np.where(dc >= da, sa * da, np.where(none, np.float32(0), burnt))


def _soft_light(dc: Real, da: Real, sc: Real, sa: Real) -> Real:
    share = _divided(dc, da)
    darker = dc * sa - _divided(dc * (da - dc) * (sa - 2 * sc), da)
    lighter = dc * sa + (2 * sc - sa) * dc * ((16 * share - 12) * share + 3)
    lightest = dc * sa + (np.sqrt(dc * da) - dc) * (2 * sc - sa)
    made = np.where(2 * sc <= sa, darker, np.where(4 * dc <= da, lighter, lightest))
    return np.where(da == 0, np.float32(0), made)


_REAL: dict[Mode, Callable[[Real, Real, Real, Real], Real]] = {
    Mode.COLOR_DODGE: _dodge,
    Mode.COLOR_BURN: _burn,
    Mode.SOFT_LIGHT: _soft_light,
}
_LUMINOSITY = np.array([0.11, 0.59, 0.3], np.float32)
"""Of blue, green and red."""


def _luminosity(colors: Real) -> Real:
    return np.asarray((colors * _LUMINOSITY).sum(axis=-1, keepdims=True), np.float32)


def _saturation(colors: Real) -> Real:
    return np.asarray(colors.max(axis=-1, keepdims=True) - colors.min(axis=-1, keepdims=True), np.float32)


def _with_saturation(colors: Real, saturation: Real) -> Real:
    """The lowest channel becomes 0, the highest the saturation, the other one what it was between them."""
    low = colors.min(axis=-1, keepdims=True)
    return _divided((colors - low) * saturation, _saturation(colors))


def _with_luminosity(colors: Real, alpha: Real, luminosity: Real) -> Real:
    moved = colors + (luminosity - _luminosity(colors))
    light = _luminosity(moved)
    low, high = moved.min(axis=-1, keepdims=True), moved.max(axis=-1, keepdims=True)
    moved = np.where(low < 0, np.where(light == low, 0, light + _divided((moved - light) * light, light - low)), moved)
    over = np.where(high == light, alpha, light + _divided((moved - light) * (alpha - light), high - light))
    return np.where(high > alpha, over, moved).astype(np.float32)


_HSL: dict[Mode, Callable[[Real, Real, Real, Real], Real]] = {
    Mode.HSL_HUE: lambda dc, da, sc, sa: _with_luminosity(
        _with_saturation(sc * da, _saturation(dc) * sa), sa * da, _luminosity(dc) * sa
    ),
    Mode.HSL_SATURATION: lambda dc, da, sc, sa: _with_luminosity(
        _with_saturation(dc * sa, _saturation(sc) * da), sa * da, _luminosity(dc) * sa
    ),
    Mode.HSL_COLOR: lambda dc, da, sc, sa: _with_luminosity(sc * da, sa * da, _luminosity(dc) * sa),
    Mode.HSL_LUMINOSITY: lambda dc, da, sc, sa: _with_luminosity(dc * sa, sa * da, _luminosity(sc) * da),
}
FLOATING = frozenset({*_REAL, *_HSL})
"""Modes with a division."""
WITHOUT_CHANNELS = frozenset(_HSL)
"""Modes of all channels together: pixman does nothing when each channel has an alpha of its own."""
