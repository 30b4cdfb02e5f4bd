"""Which pixels of a picture come to which of a surface: as they are, or scaled (spice-common `sw_canvas.c`)."""

from __future__ import annotations

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.area import Area
from frazil.spice.canvas.sampling import ONE, sample_grid, scaled_positions
from frazil.spice.canvas.surface import Surface, argb, opaque
from frazil.spice.draw_records import DrawRop3, ScaleMode
from frazil.spice.geometry_records import Rect
from frazil.spice.pictures.picture import Picture, Pixels


def same_size(first: Rect, second: Rect) -> bool:
    """Whether nothing is to be scaled."""
    return (first.width, first.height) == (second.width, second.height)


def placed(
    surface: Surface, picture: Picture, source_area: Rect, box: Rect, area: Area, scale_mode: int
) -> tuple[Pixels, Area]:
    """`source_area` of a picture comes to `box`: its pixels of the area, and the area that it has any for.

    Unscaled pixels are a view of the picture. Scaled ones have an alpha: beside the picture they are transparent, and
    in it opaque where it has no alpha.
    """
    if same_size(source_area, box):
        left, top = box.left - source_area.left, box.top - source_area.top
        seen = area.cut(left, top, left + picture.width, top + picture.height)
        lines = slice(seen.top - top, max(seen.top, seen.bottom) - top)
        columns = slice(seen.left - left, max(seen.left, seen.right) - left)
        return picture.pixels[lines, columns], seen
    if area.empty:
        return picture.pixels[:0, :0], area
    return _scaled(surface, picture, source_area, box, area, scale_mode), area


def _scaled(surface: Surface, picture: Picture, source_area: Rect, box: Rect, area: Area, scale_mode: int) -> Pixels:
    if scale_mode not in (ScaleMode.INTERPOLATE, ScaleMode.NEAREST):
        raise RemoteProtocolError(f"A picture is to be scaled in mode {scale_mode}, which is none.")
    across = _quotient(source_area.width * ONE, box.width)
    down = _quotient(source_area.height * ONE, box.height)
    xs = scaled_positions(area.left - box.left, area.width, step=across, origin=source_area.left * ONE)
    ys = scaled_positions(area.top - box.top, area.height, step=down, origin=source_area.top * ONE)
    pixels = argb(surface.native(picture.pixels), surface.format)  # in fewer bits, if the surface has fewer
    if not picture.alpha:
        pixels = opaque(pixels)
    return sample_grid(pixels, xs, ys, smooth=scale_mode == ScaleMode.INTERPOLATE)


def scaled_for_rop3(picture: Picture, draw: DrawRop3, area: Area) -> Pixels:
    """Of this one operation the source's origin is rounded to a pixel of the destination."""
    box, part = draw.base.box, draw.source_area
    if not part.width or not part.height:
        raise RemoteProtocolError("A picture is to be scaled from no pixels.")
    across, down = part.width / box.width, part.height / box.height
    left = int(np.floor(part.left / across + 0.5)) + area.left - box.left
    top = int(np.floor(part.top / down + 0.5)) + area.top - box.top
    xs = scaled_positions(left, area.width, step=int(across * ONE), origin=0)
    ys = scaled_positions(top, area.height, step=int(down * ONE), origin=0)
    return sample_grid(picture.pixels, xs, ys, smooth=draw.scale_mode == ScaleMode.INTERPOLATE)


def _quotient(dividend: int, divisor: int) -> int:
    """Towards zero, as C divides."""
    if not divisor:
        raise RemoteProtocolError("A picture is to be scaled to no pixels.")
    whole = abs(dividend) // abs(divisor)
    return whole if (dividend < 0) == (divisor < 0) else -whole
