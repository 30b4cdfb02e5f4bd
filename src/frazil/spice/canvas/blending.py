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


def operator(number: int) -> Operator:
    """Raises RemoteProtocolError for Render's other operators: no driver sends those by a `DRAW_COMPOSITE`."""
    try:
        return Operator(number)
    except ValueError as exc:
        raise RemoteProtocolError(f"Pictures can't be put together by operator {number}.") from exc


def blend(
    chosen: Operator, source: Pixels, dest: Pixels, *, mask: Pixels | None = None, by_channel: bool = False
) -> Pixels:
    """What stands there afterwards. All inputs have an alpha; of `mask` it alone counts, unless `by_channel`."""
    if chosen is Operator.SATURATE:
        return _saturate(source, dest, mask, by_channel=by_channel)
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


def _saturate(source: Pixels, dest: Pixels, mask: Pixels | None, *, by_channel: bool) -> Pixels:
    """As much of the source as there is room for. It takes a division, so that pixman counts in floating point."""
    src, dst = (channels(pixels).astype(np.float32) / np.float32(255) for pixels in (source, dest))
    alphas = src[..., 3:]
    if mask is not None:
        coverage = channels(mask).astype(np.float32) / np.float32(255)
        if not by_channel:
            coverage = coverage[..., 3:]
        alphas, src = alphas * coverage, src * coverage
    room = np.float32(1) - dst[..., 3:]
    share = np.divide(room, alphas, out=np.ones_like(alphas * room), where=alphas > 0)
    made = np.minimum(src * np.clip(share, 0, 1) + dst, np.float32(1))
    scaled = (made * np.float32(256)).astype(np.uint16)
    return _joined(scaled - (scaled >> np.uint16(8)))


def _joined(values: Channels) -> Pixels:
    return np.ascontiguousarray(values.astype(np.uint8)).view("<u4")[..., 0].astype(np.uint32)
