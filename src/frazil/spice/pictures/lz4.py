"""LZ4 pictures: lines in LZ4 blocks, each of which may refer to those before (spice-server `lz4-encoder.c`).

Two bytes say whether the uppermost line is first, and the bitmap format; then blocks follow, each behind its size as a
big-endian u32. A block is a row of sequences: a token with two lengths of four bits, literal bytes, and a distance of
two bytes to copy from (the LZ4 block format, lz4.org).
"""

from __future__ import annotations

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.fields import Buffer
from frazil.spice.image_records import BitmapFormat
from frazil.spice.pictures import coders
from frazil.spice.pictures.matches import copy_back
from frazil.spice.pictures.picture import Picture, check_size, from_bgr, from_rgb555

FEWEST = 4
"""The fewest bytes that a sequence copies."""
_PIXEL_BYTES = {BitmapFormat.BIT16: 2, BitmapFormat.BIT24: 3, BitmapFormat.BIT32: 4, BitmapFormat.RGBA: 4}


def decode_lz4(data: Buffer, width: int, height: int) -> Picture:
    """The size is the image descriptor's: an LZ4 picture says none."""
    check_size(width, height)
    cursor = Cursor(data)
    top_down, number = cursor.u8() != 0, cursor.u8()
    if number not in _PIXEL_BYTES:
        raise RemoteProtocolError(f"An LZ4 picture has bitmap format {number}, which LZ4 is not for.")
    form = BitmapFormat(number)
    pixel_bytes = _PIXEL_BYTES[form]
    limit = width * height * pixel_bytes
    blocks = cursor.view(cursor.remaining)
    out = coders.lz4(blocks, limit) if coders.AVAILABLE else unpack_plainly(blocks, limit)
    if form is BitmapFormat.BIT24:
        pixels = from_bgr(out, width, height)
    elif form is BitmapFormat.BIT16:
        pixels = from_rgb555(np.frombuffer(out, "<u2").astype(np.uint16).reshape(height, width))
    else:
        pixels = np.frombuffer(out, "<u4").reshape(height, width)
    return Picture(pixels if top_down else pixels[::-1], alpha=form is BitmapFormat.RGBA)


def unpack_plainly(blocks: Buffer, limit: int) -> bytearray:
    """The readable twin of what the compiled module does: `limit` bytes, neither more nor fewer."""
    cursor = Cursor(blocks)
    out = bytearray()
    while cursor.remaining:
        size = int.from_bytes(cursor.view(4), "big")
        unpack_block(cursor.view(size), out, limit=limit)
    if len(out) != limit:
        raise RemoteProtocolError(f"An LZ4 picture has {len(out)} bytes instead of {limit}.")
    return out


def unpack_block(block: Buffer, out: bytearray, *, limit: int) -> None:
    """Append what a block holds, never more than `limit` bytes in all."""
    at = 0
    try:
        while True:
            token = block[at]
            at += 1
            literals = token >> 4
            if literals == 15:
                literals, at = _longer(block, literals, at)
            if at + literals > len(block) or len(out) + literals > limit:
                raise RemoteProtocolError("An LZ4 picture is cut off, or too long.")
            out += block[at : at + literals]
            at += literals
            if at == len(block):
                return
            distance = block[at] | block[at + 1] << 8
            at += 2
            length = token & 15
            if length == 15:
                length, at = _longer(block, length, at)
            copy_back(out, distance, length + FEWEST, limit=limit)
    except IndexError as exc:
        raise RemoteProtocolError("An LZ4 picture is cut off.") from exc


def _longer(block: Buffer, length: int, at: int) -> tuple[int, int]:
    """A length that goes on in bytes up to the first one that is not 255."""
    more = 255
    while more == 255:
        more = block[at]
        at += 1
        length += more
    return length, at
