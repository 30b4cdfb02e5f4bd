"""Reading a picture where its pixels are not those of the surface: scaled, repeated, transformed.

Positions are in 65536ths of a pixel, and a pixel's middle is at one half, as in pixman, whose results these are.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.spice.canvas.area import BAND_PIXELS
from frazil.spice.geometry_records import Transform
from frazil.spice.pictures.picture import Pixels

ONE = 1 << 16
HALF = ONE // 2
_WEIGHT_BITS = 7
"""How finely pixman weighs two neighbours."""

Positions: TypeAlias = npt.NDArray[np.int64]


class Repeat(IntEnum):
    """What is beside a picture: nothing, itself again, its edge, or its mirror image (`pixman_repeat_t`)."""

    NONE = 0
    NORMAL = 1
    PAD = 2
    REFLECT = 3


def scaled_positions(start: int, count: int, *, step: int, origin: int) -> Positions:
    """Where the middles of pixels `start` and after are in a picture that is scaled by `step`, from `origin` on."""
    first = (step * HALF + HALF) // ONE + origin
    return first + step * np.arange(start, start + count, dtype=np.int64)


def sample_grid(pixels: Pixels, xs: Positions, ys: Positions, *, smooth: bool) -> Pixels:
    """Pixels at each of `ys` × `xs`; beside the picture they are 0."""
    made = np.empty((len(ys), len(xs)), np.uint32)
    lines = max(1, BAND_PIXELS // max(1, len(xs)))
    for top in range(0, len(ys), lines):
        band = ys[top : top + lines, None]
        made[top : top + lines] = sample(pixels, xs[None, :], band, smooth=smooth, repeat=Repeat.NONE)
    return made


def transformed(
    transform: Transform | None, left: int, top: int, width: int, height: int
) -> tuple[Positions, Positions]:
    """Where the middles of a box's pixels are in a picture: columns and lines, which broadcast to height × width."""
    columns = (np.arange(left, left + width, dtype=np.int64)[None, :] << 16) + HALF
    lines = (np.arange(top, top + height, dtype=np.int64)[:, None] << 16) + HALF
    if transform is None:
        return columns, lines
    t00, t01, t02, t10, t11, t12 = (
        _signed(value)
        for value in (
            transform.t00,
            transform.t01,
            transform.t02,
            transform.t10,
            transform.t11,
            transform.t12,
        )
    )
    return (
        (t00 * columns + t01 * lines + t02 * ONE + HALF) >> 16,
        (t10 * columns + t11 * lines + t12 * ONE + HALF) >> 16,
    )


def sample(pixels: Pixels, columns: Positions, lines: Positions, *, smooth: bool, repeat: Repeat) -> Pixels:
    """The pixels at those positions, which broadcast: the nearest ones, or with `smooth` the mean of four."""
    if not smooth:
        return _fetch(pixels, columns - 1 >> 16, lines - 1 >> 16, repeat)
    columns, lines = columns - HALF, lines - HALF
    x, y = columns >> 16, lines >> 16
    across = _weight(columns)
    down = _weight(lines)
    corners = (
        (_fetch(pixels, x, y, repeat), (256 - across) * (256 - down)),
        (_fetch(pixels, x + 1, y, repeat), across * (256 - down)),
        (_fetch(pixels, x, y + 1, repeat), (256 - across) * down),
        (_fetch(pixels, x + 1, y + 1, repeat), across * down),
    )
    shape = np.broadcast_shapes(x.shape, y.shape)
    made = np.zeros(shape, np.uint32)
    for shift in (0, 8, 16, 24):
        total = sum(
            (corner >> np.uint32(shift) & np.uint32(255)).astype(np.int64) * weight for corner, weight in corners
        )
        made |= (np.asarray(total) >> 16).astype(np.uint32) << np.uint32(shift)
    return made


def tiled(pixels: Pixels, left: int, top: int, width: int, height: int) -> Pixels:
    """A box of the picture repeated without end, whose upper left pixel is that of `left` and `top`."""
    columns = np.arange(left, left + width) % pixels.shape[1]
    lines = np.arange(top, top + height) % pixels.shape[0]
    made: Pixels = pixels[lines[:, None], columns[None, :]]
    return made


def _weight(positions: Positions) -> Positions:
    return (positions >> 16 - _WEIGHT_BITS & (1 << _WEIGHT_BITS) - 1) << 8 - _WEIGHT_BITS


def _fetch(pixels: Pixels, x: Positions, y: Positions, repeat: Repeat) -> Pixels:
    height, width = pixels.shape
    turn = _TURNS[repeat]
    if turn is not None:
        return pixels[turn(y, height), turn(x, width)]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    found = pixels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return np.where(inside, found, np.uint32(0))


def _reflect(positions: Positions, size: int) -> Positions:
    turned = positions % (2 * size)
    return np.where(turned < size, turned, 2 * size - 1 - turned)


_TURNS: dict[Repeat, Callable[[Positions, int], Positions] | None] = {
    Repeat.NONE: None,
    Repeat.NORMAL: lambda positions, size: positions % size,
    Repeat.PAD: lambda positions, size: np.clip(positions, 0, size - 1),
    Repeat.REFLECT: _reflect,
}


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word
