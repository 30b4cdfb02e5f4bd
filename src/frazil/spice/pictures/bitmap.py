"""Plain bitmaps: 1, 4 and 8 bits by a palette, 16, 24 and 32 bits (spice-common `pixman_utils.c`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError
from frazil.spice.fields import Buffer
from frazil.spice.image_records import Bitmap, BitmapFlags, BitmapFormat
from frazil.spice.pictures.picture import Picture, Pixels, check_size, from_alpha, from_bgr, from_rgb555

BITS = {
    BitmapFormat.BIT1_LE: 1,
    BitmapFormat.BIT1_BE: 1,
    BitmapFormat.BIT4_LE: 4,
    BitmapFormat.BIT4_BE: 4,
    BitmapFormat.BIT8: 8,
    BitmapFormat.BIT16: 16,
    BitmapFormat.BIT24: 24,
    BitmapFormat.BIT32: 32,
    BitmapFormat.RGBA: 32,
    BitmapFormat.BIT8_A: 8,
}
"""Bits a pixel."""
_PALETTE_FORMATS = (
    BitmapFormat.BIT1_LE,
    BitmapFormat.BIT1_BE,
    BitmapFormat.BIT4_LE,
    BitmapFormat.BIT4_BE,
    BitmapFormat.BIT8,
)


def decode_bitmap(bitmap: Bitmap, colors: Sequence[int] | None) -> Picture:
    """`colors` is the palette, 0xRRGGBB; formats that need one are refused without."""
    if bitmap.format not in BITS:
        raise RemoteProtocolError(f"A bitmap has format {bitmap.format}, which is none.")
    form = BitmapFormat(bitmap.format)
    lines = bitmap_lines(bitmap)
    if form in _PALETTE_FORMATS:
        if colors is None:
            raise RemoteProtocolError(f"A bitmap of {BITS[form]} bits has no palette.")
        return Picture(look_up(unpack_indexes(lines, form, bitmap.width), colors))
    if form is BitmapFormat.BIT16:
        return Picture(from_rgb555(np.ascontiguousarray(lines).view("<u2")) | np.uint32(0xFF000000))
    if form is BitmapFormat.BIT24:
        return Picture(from_bgr(np.ascontiguousarray(lines).tobytes(), bitmap.width, bitmap.height))
    if form is BitmapFormat.BIT8_A:
        return from_alpha(lines)
    return Picture(np.ascontiguousarray(lines).view("<u4"), alpha=form is BitmapFormat.RGBA)


def decode_mask(bitmap: Bitmap) -> npt.NDArray[np.bool_]:
    """A bitmap of one bit a pixel, without a palette, as a mask."""
    if bitmap.format not in (BitmapFormat.BIT1_LE, BitmapFormat.BIT1_BE):
        raise RemoteProtocolError(f"A mask has bitmap format {bitmap.format}, not one bit a pixel.")
    bits = unpack_indexes(bitmap_lines(bitmap), BitmapFormat(bitmap.format), bitmap.width)
    return bits.astype(np.bool_)


def bitmap_lines(bitmap: Bitmap) -> npt.NDArray[np.uint8]:
    """The bytes that count, the uppermost line first: height × bytes of a line."""
    check_size(bitmap.width, bitmap.height)
    line_bytes = (bitmap.width * BITS[BitmapFormat(bitmap.format)] + 7) // 8
    if bitmap.stride < line_bytes:
        raise RemoteProtocolError(f"A bitmap's lines have {bitmap.stride} bytes where {line_bytes} are due.")
    lines = np.frombuffer(bitmap.data, np.uint8).reshape(bitmap.height, bitmap.stride)[:, :line_bytes]
    return lines if bitmap.flags & BitmapFlags.TOP_DOWN else lines[::-1]


def unpack_indexes(lines: npt.NDArray[np.uint8], form: BitmapFormat, width: int) -> npt.NDArray[np.uint8]:
    """One number a pixel from the bytes of lines of 1, 4 or 8 bits."""
    if BITS[form] == 1:
        little = form is BitmapFormat.BIT1_LE
        return np.unpackbits(lines, axis=1, bitorder="little" if little else "big", count=width)
    if BITS[form] == 4:
        low, high = lines & 15, lines >> 4
        halves = (low, high) if form is BitmapFormat.BIT4_LE else (high, low)
        return np.stack(halves, axis=2).reshape(lines.shape[0], -1)[:, :width]
    return lines


def look_up(indexes: npt.NDArray[np.uint8], colors: Sequence[int]) -> Pixels:
    """Colours for numbers; those that the palette does not have are black."""
    table = np.zeros(256, np.uint32)
    known = np.array(colors[:256], np.uint32)
    table[: len(known)] = known
    return table[indexes]


def line_buffer(data: Buffer | bytearray, stride: int, height: int, *, top_down: bool) -> npt.NDArray[np.uint8]:
    """Lines of `stride` bytes, the uppermost one first."""
    lines = np.frombuffer(data, np.uint8).reshape(height, stride)
    return lines if top_down else lines[::-1]
