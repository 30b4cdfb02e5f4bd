"""LZ pictures, all variants (spice-common `lz.c`, `lz_decompress_tmpl.c`; the header's numbers are big-endian).

The coder works in units: a pixel of three bytes, one of two, a byte of palette indexes, or a byte of alpha. A control
byte under 32 announces that many units and one more, as they are; any other one a reference: its upper three bits and
what follows are a length, the other five and what follows a distance. Lengths begin at the fewest units that a
reference is worth, which `_FEWEST` says by the unit's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.fields import Buffer
from frazil.spice.image_records import BitmapFormat
from frazil.spice.pictures import coders
from frazil.spice.pictures.bitmap import line_buffer, look_up, unpack_indexes
from frazil.spice.pictures.matches import copy_back
from frazil.spice.pictures.picture import Picture, Pixels, check_size, from_alpha, from_bgr, from_rgb555, with_alpha

MAGIC = b"  ZL"
VERSION = 0x00010001
NEAR_MAX = 8191
"""Distances up to this one are in the control bytes; farther ones have two bytes more."""
_FEWEST = {1: 3, 2: 2, 3: 1}


class LzType(IntEnum):
    """What the units are, in LZ's and GLZ's headers."""

    PLT1_LE = 1
    PLT1_BE = 2
    PLT4_LE = 3
    PLT4_BE = 4
    PLT8 = 5
    RGB16 = 6
    RGB24 = 7
    RGB32 = 8
    RGBA = 9
    XXXA = 10
    A8 = 11


PALETTE_FORMATS = {
    LzType.PLT1_LE: BitmapFormat.BIT1_LE,
    LzType.PLT1_BE: BitmapFormat.BIT1_BE,
    LzType.PLT4_LE: BitmapFormat.BIT4_LE,
    LzType.PLT4_BE: BitmapFormat.BIT4_BE,
    LzType.PLT8: BitmapFormat.BIT8,
}
_UNITS_A_BYTE = {LzType.PLT1_LE: 8, LzType.PLT1_BE: 8, LzType.PLT4_LE: 2, LzType.PLT4_BE: 2, LzType.PLT8: 1}


@dataclass(frozen=True, slots=True)
class LzHeader:
    """Pixels; `stride` is the bytes of a line of what was coded."""

    type: LzType
    width: int
    height: int
    stride: int
    top_down: bool


def lz_type(number: int) -> LzType:
    """Raises RemoteProtocolError for a number that is none."""
    try:
        return LzType(number)
    except ValueError as exc:
        raise RemoteProtocolError(f"An LZ picture has type {number}, which is none.") from exc


def check_magic(cursor: Cursor) -> None:
    """What LZ and GLZ begin with."""
    if bytes(cursor.view(4)) != MAGIC or big32(cursor) != VERSION:
        raise RemoteProtocolError("An LZ picture does not begin as one.")


def big32(cursor: Cursor) -> int:
    """A big-endian u32."""
    return int.from_bytes(cursor.view(4), "big")


def read_header(cursor: Cursor) -> LzHeader:
    """The 28 bytes before the units."""
    check_magic(cursor)
    number, width, height, stride, top_down = (big32(cursor) for _ in range(5))
    header = LzHeader(lz_type(number), width, height, stride, top_down != 0)
    check_size(width, height)
    if header.type in PALETTE_FORMATS:
        check_size(stride * _UNITS_A_BYTE[header.type], height)
        if stride * _UNITS_A_BYTE[header.type] < width:
            raise RemoteProtocolError(f"An LZ picture's lines have {stride} bytes, too few for {width} pixels.")
    return header


def decode_lz(data: Buffer, colors: Sequence[int] | None = None) -> Picture:
    """Any LZ picture but one that is only alpha. `colors`: the palette, for types that need one."""
    cursor = Cursor(data)
    header = read_header(cursor)
    count = header.width * header.height
    if header.type in PALETTE_FORMATS:
        return Picture(_palette_pixels(cursor, header, colors))
    if header.type is LzType.XXXA:
        raise RemoteProtocolError("An LZ picture that is only alpha stands alone.")
    if header.type is LzType.A8:
        plane = unpack(cursor, count, unit=1)
        lines = line_buffer(plane, header.width, header.height, top_down=header.top_down)
        return from_alpha(lines)
    if header.type is LzType.RGB16:
        wide = np.frombuffer(unpack(cursor, count, unit=2), ">u2").astype(np.uint16)
        pixels = from_rgb555(wide.reshape(header.height, header.width))
    else:
        pixels = from_bgr(unpack(cursor, count, unit=3), header.width, header.height)
    if header.type is LzType.RGBA:
        pixels = with_alpha(pixels, unpack(cursor, count, unit=1))
    return Picture(pixels if header.top_down else pixels[::-1], alpha=header.type is LzType.RGBA)


def decode_alpha(data: Buffer) -> tuple[LzHeader, bytes | bytearray]:
    """The alpha of a JPEG picture: a byte a pixel, lines as they were coded."""
    cursor = Cursor(data)
    header = read_header(cursor)
    if header.type is not LzType.XXXA:
        raise RemoteProtocolError(f"A JPEG picture's alpha is of type {header.type.name}.")
    return header, unpack(cursor, header.width * header.height, unit=1)


def _palette_pixels(cursor: Cursor, header: LzHeader, colors: Sequence[int] | None) -> Pixels:
    if not colors:
        raise RemoteProtocolError("An LZ picture of palette indexes has no palette.")
    packed = unpack(cursor, header.stride * header.height, unit=1)
    lines = line_buffer(packed, header.stride, header.height, top_down=header.top_down)
    indexes = unpack_indexes(lines, PALETTE_FORMATS[header.type], header.width)[:, : header.width]
    if header.type in (LzType.PLT4_LE, LzType.PLT4_BE):
        indexes = indexes % np.uint8(min(len(colors), 16))
    return look_up(indexes, colors)


def unpack(cursor: Cursor, count: int, *, unit: int) -> bytes | bytearray:
    """`count` units of `unit` bytes. Raises RemoteProtocolError for references to nowhere, and for too many units."""
    if not coders.AVAILABLE:
        return unpack_plainly(cursor, count, unit=unit)
    start = cursor.position
    made, read = coders.lz(cursor.view(cursor.remaining), count * unit, unit)
    cursor.seek(start + read)
    return made


def unpack_plainly(cursor: Cursor, count: int, *, unit: int) -> bytearray:
    """The readable twin of what the compiled module does."""
    data = cursor.view(cursor.remaining)
    limit = count * unit
    fewest = _FEWEST[unit]
    out = bytearray()
    at = 0
    try:
        while len(out) < limit:
            control = data[at]
            at += 1
            if control < 32:
                size = (control + 1) * unit
                if len(out) + size > limit or at + size > len(data):
                    raise RemoteProtocolError("An LZ picture has more pixels than its size says, or is cut off.")
                out += data[at : at + size]
                at += size
                continue
            length = (control >> 5) - 1
            if length == 6:
                more = 255
                while more == 255:
                    more = data[at]
                    at += 1
                    length += more
            distance = (control & 31) << 8 | data[at]
            at += 1
            if distance == NEAR_MAX:
                distance += data[at] << 8 | data[at + 1]
                at += 2
            copy_back(out, (distance + 1) * unit, (length + fewest) * unit, limit=limit)
    except IndexError as exc:
        raise RemoteProtocolError("An LZ picture is cut off.") from exc
    cursor.seek(cursor.position - len(data) + at)
    return out
