"""Pictures that are blended onto a surface."""

from __future__ import annotations

import numpy as np

from frazil.spice.canvas.area import Area
from frazil.spice.canvas.blend_modes import Mode
from frazil.spice.canvas.blending import Operator, blend
from frazil.spice.canvas.sampling import Repeat, sample, transformed
from frazil.spice.canvas.surface import Surface, opaque, without_alpha
from frazil.spice.geometry_records import Transform
from frazil.spice.pictures.picture import Pixels

_SMOOTH_FILTERS = (1, 2, 4)
"""`PIXMAN_FILTER_GOOD`, `BEST` and `BILINEAR`; `FAST` and `NEAREST` take one pixel."""


def blend_onto(
    surface: Surface,
    area: Area,
    chosen: Operator | Mode,
    source: Pixels,
    *,
    mask: Pixels | None = None,
    by_channel: bool = False,
    keeps_alpha: bool,
) -> None:
    """Blend `source` onto the area. It and `mask` have the area's size, and an alpha that counts.

    Without `keeps_alpha` what is there counts as opaque, and no alpha is written.
    """
    if np.shares_memory(source, surface.raw):
        source = source.copy()
    for band in area.bands():
        lines = slice(band.top - area.top, band.bottom - area.top)
        dest = surface.pixels(band)
        if not keeps_alpha:
            dest = opaque(dest)
        coverage = None if mask is None else mask[lines]
        made = blend(chosen, source[lines], dest, mask=coverage, by_channel=by_channel)
        surface.write(band, surface.native(made if keeps_alpha else without_alpha(made)))


def layer(
    pixels: Pixels, transform: Transform | None, *, left: int, top: int, area: Area, kind: int, repeat: int
) -> Pixels:
    """What of a picture comes to an area whose corner is its pixel `left` and `top`, as a `DrawComposite` says.

    `kind` and `repeat` are numbers of its flags: the lowest three bits are a filter of pixman's, the lowest two a
    `Repeat`.
    """
    columns, lines = transformed(transform, left, top, area.width, area.height)
    smooth = transform is not None and kind & 7 in _SMOOTH_FILTERS
    return sample(pixels, columns, lines, smooth=smooth, repeat=Repeat(repeat & 3))
