"""Pictures over each other by their alpha: Porter and Duff's operators on eight bits a channel, as pixman counts them.

A product is rounded, a sum stops at 255. Each operator is two factors: how much of the source counts, and how much of
what is there.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.blend_modes import FLOATING, WITHOUT_CHANNELS, Mode, Real, in_floating_point, in_whole_numbers
from frazil.spice.pictures.picture import Pixels

Channels: TypeAlias = npt.NDArray[np.uint16]
"""… × 4: blue, green, red and alpha, 0 to 255."""


class Operator(IntEnum):
    """Of X's Render extension and of `pixman_op_t`."""

    CLEAR = 0
    SRC = 1
    DST = 2
    OVER = 3
    OVER_REVERSE = 4
    IN = 5
    IN_REVERSE = 6
    OUT = 7
    OUT_REVERSE = 8
    ATOP = 9
    ATOP_REVERSE = 10
    XOR = 11
    ADD = 12
    SATURATE = 13


class Factor(IntEnum):
    """Nothing, all, or an alpha or what it lacks to 255: that of the other input."""

    ZERO = 0
    ONE = 1
    ALPHA = 2
    REST = 3


_FACTORS = {
    Operator.CLEAR: (Factor.ZERO, Factor.ZERO),
    Operator.SRC: (Factor.ONE, Factor.ZERO),
    Operator.DST: (Factor.ZERO, Factor.ONE),
    Operator.OVER: (Factor.ONE, Factor.REST),
    Operator.OVER_REVERSE: (Factor.REST, Factor.ONE),
    Operator.IN: (Factor.ALPHA, Factor.ZERO),
    Operator.IN_REVERSE: (Factor.ZERO, Factor.ALPHA),
    Operator.OUT: (Factor.REST, Factor.ZERO),
    Operator.OUT_REVERSE: (Factor.ZERO, Factor.REST),
    Operator.ATOP: (Factor.ALPHA, Factor.REST),
    Operator.ATOP_REVERSE: (Factor.REST, Factor.ALPHA),
    Operator.XOR: (Factor.REST, Factor.REST),
    Operator.ADD: (Factor.ONE, Factor.ONE),
}


_BY_NUMBER: dict[int, Operator | Mode] = {**{int(one): one for one in Operator}, **{int(one): one for one in Mode}}


def operator(number: int) -> Operator | Mode:
    """Raises RemoteProtocolError for a number without meaning: QXL has no disjoint and conjoint operators."""
    known = _BY_NUMBER.get(number)
    if known is not None:
        return known
    raise RemoteProtocolError(f"Pictures can't be put together by operator {number}.")


def blend(
    chosen: Operator | Mode, source: Pixels, dest: Pixels, *, mask: Pixels | None = None, by_channel: bool = False
) -> Pixels:
    """What stands there afterwards. All inputs have an alpha; of `mask` it alone counts, unless `by_channel`."""
    if chosen is Operator.SATURATE or chosen in FLOATING:
        return _in_floating_point(chosen, source, dest, mask, by_channel=by_channel)
    src, dst = channels(source), channels(dest)
    alphas = src[..., 3:]
    if mask is not None:
        coverage = channels(mask)
        if by_channel:
            alphas = product(coverage, src[..., 3:])
            src = product(src, coverage)
        else:
            src = product(src, coverage[..., 3:])
            alphas = src[..., 3:]
    if isinstance(chosen, Mode):
        made = in_whole_numbers(chosen, *(values.astype(np.int32) for values in (src, alphas, dst)))
        return _joined(made.astype(np.uint16))
    of_source, of_dest = _FACTORS[chosen]
    return _joined(np.minimum(_scaled(src, of_source, dst[..., 3:]) + _scaled(dst, of_dest, alphas), np.uint16(255)))


def channels(pixels: Pixels) -> Channels:
    """One number a channel."""
    return np.ascontiguousarray(pixels).astype("<u4").view(np.uint8).reshape(*pixels.shape, 4).astype(np.uint16)


def product(first: Channels, second: Channels) -> Channels:
    """Of 255ths, rounded."""
    wide = first * second + np.uint16(128)
    return (wide + (wide >> np.uint16(8))) >> np.uint16(8)


def _scaled(values: Channels, factor: Factor, alphas: Channels) -> Channels:
    match factor:
        case Factor.ZERO:
            return np.zeros_like(values)
        case Factor.ONE:
            return values
        case Factor.ALPHA:
            return product(values, alphas)
        case _:
            return product(values, np.uint16(255) - alphas)


def _in_floating_point(
    chosen: Operator | Mode, source: Pixels, dest: Pixels, mask: Pixels | None, *, by_channel: bool
) -> Pixels:
    """What takes a division: pixman counts that in channels of 0 to 1."""
    src, dst = (channels(pixels).astype(np.float32) / np.float32(255) for pixels in (source, dest))
    alphas = src[..., 3:]
    if mask is not None:
        if by_channel and chosen in WITHOUT_CHANNELS:
            return dest
        coverage = channels(mask).astype(np.float32) / np.float32(255)
        if not by_channel:
            coverage = coverage[..., 3:]
        # of the modes of all channels together pixman forgets the blue, and takes the green twice
        if chosen in WITHOUT_CHANNELS:
            src = src * np.concatenate((np.ones_like(coverage), coverage * coverage, coverage, coverage), axis=-1)
        else:
            src = src * coverage
        alphas = alphas * coverage
    made = in_floating_point(chosen, src, alphas, dst) if isinstance(chosen, Mode) else _saturate(src, alphas, dst)
    scaled = (np.clip(made, 0, 1) * np.float32(256)).astype(np.uint16)
    return _joined(scaled - (scaled >> np.uint16(8)))


def _saturate(src: Real, alphas: Real, dst: Real) -> Real:
    """As much of the source as there is room for."""
    room = np.float32(1) - dst[..., 3:]
    share = np.divide(room, alphas, out=np.ones_like(alphas * room), where=alphas > 0)
    return np.asarray(src * np.clip(share, 0, 1) + dst, np.float32)


def _joined(values: Channels) -> Pixels:
    return np.ascontiguousarray(values.astype(np.uint8)).view("<u4")[..., 0].astype(np.uint32)
