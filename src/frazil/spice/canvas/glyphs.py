"""How much of each pixel a string covers (spice-common `canvas_base.c`, `canvas_get_str_mask`).

A glyph's lines stand with the lowest one first, whatever the string's flags say: so spice-server and its clients read
them. Where glyphs overlap, the one that covers more counts.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.spice.canvas.area import Area
from frazil.spice.draw_records import GlyphA1, GlyphA4, GlyphA8, GlyphString

Coverage: TypeAlias = npt.NDArray[np.uint8]


def corner(string: GlyphString) -> tuple[int, int]:
    """Left and top of the box around all glyphs; of none, 0 and 0."""
    if not string.glyphs:
        return 0, 0
    lefts, tops = zip(*(_place(glyph) for glyph in string.glyphs), strict=True)
    return min(lefts), min(tops)


def coverage(string: GlyphString, area: Area) -> Coverage:
    """0 to 255 for each pixel of the area's box; 240 is the most that glyphs of four bits have."""
    made = np.zeros((area.height, area.width), np.uint8)
    for glyph in string.glyphs:
        left, top = _place(glyph)
        seen = area.cut(left, top, left + glyph.width, top + glyph.height)
        if seen.empty:
            continue
        inner = slice(seen.top - top, seen.bottom - top), slice(seen.left - left, seen.right - left)
        part = made[seen.top - area.top : seen.bottom - area.top, seen.left - area.left : seen.right - area.left]
        np.copyto(part, _values(glyph)[inner], where=_wins(glyph, inner, part))
    return made


def _place(glyph: GlyphA1 | GlyphA4 | GlyphA8) -> tuple[int, int]:
    return glyph.render_position.x + glyph.origin.x, glyph.render_position.y + glyph.origin.y


def _wins(glyph: GlyphA1 | GlyphA4 | GlyphA8, inner: tuple[slice, slice], there: Coverage) -> npt.NDArray[np.bool_]:
    """Where the glyph covers more than is there.

    In the second half of a byte of four-bit glyphs, spice-common's canvas takes the whole byte for the amount: if the
    first half is not 0, what was there is always overwritten. Where glyphs overlap that is seen.
    """
    more = _values(glyph)[inner] > there
    if isinstance(glyph, GlyphA4):
        first_halves = np.repeat(_lines(glyph) >= 16, 2, axis=1)[:, : glyph.width]
        first_halves[:, ::2] = False
        more |= first_halves[inner]
    return more


def _lines(glyph: GlyphA1 | GlyphA4 | GlyphA8) -> Coverage:
    """Its bytes, the uppermost line first."""
    return np.frombuffer(glyph.data, np.uint8).reshape(glyph.height, -1)[::-1]


def _values(glyph: GlyphA1 | GlyphA4 | GlyphA8) -> Coverage:
    lines = _lines(glyph)
    match glyph:
        case GlyphA1():
            return np.unpackbits(lines, axis=1, count=glyph.width) * np.uint8(255)
        case GlyphA4():
            halves = np.stack((lines & 0xF0, lines << 4), axis=2)
            return halves.reshape(glyph.height, -1)[:, : glyph.width]
        case _:
            return lines
