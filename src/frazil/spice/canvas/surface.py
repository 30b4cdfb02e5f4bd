"""Pixels that can be drawn on, in the format that the server made them with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.area import Area
from frazil.spice.canvas.rops import Raw
from frazil.spice.display_channel import SurfaceCreate, SurfaceFlags, SurfaceFormat
from frazil.spice.pictures.picture import Pixels, check_size, from_rgb555

_TYPES: dict[SurfaceFormat, type[np.unsignedinteger[Any]]] = {
    SurfaceFormat.A1: np.uint8,
    SurfaceFormat.A8: np.uint8,
    SurfaceFormat.RGB555: np.uint16,
    SurfaceFormat.RGB565: np.uint16,
    SurfaceFormat.XRGB32: np.uint32,
    SurfaceFormat.ARGB32: np.uint32,
}
_OPAQUE = np.uint32(0xFF000000)
_COLORS = np.uint32(0x00FFFFFF)


class Surface:
    """`raw` has height × width numbers of the surface's own format; of A1 each is 0 or 1."""

    __slots__ = ("format", "primary", "raw")

    def __init__(self, created: SurfaceCreate) -> None:
        check_size(created.width, created.height)
        try:
            self.format = SurfaceFormat(created.format)
        except ValueError as exc:
            raise RemoteProtocolError(f"A surface has format {created.format}, which is none.") from exc
        self.primary = bool(created.flags & SurfaceFlags.PRIMARY)
        self.raw: npt.NDArray[Any] = np.zeros((created.height, created.width), _TYPES[self.format])

    @property
    def width(self) -> int:
        return int(self.raw.shape[1])

    @property
    def height(self) -> int:
        return int(self.raw.shape[0])

    @property
    def has_alpha(self) -> bool:
        """Whether an alpha is kept."""
        return self.format in (SurfaceFormat.ARGB32, SurfaceFormat.A8, SurfaceFormat.A1)

    def pixels(self, area: Area | None = None) -> Pixels:
        """0xAARRGGBB of all or of a box, as a drawing reads them; without an alpha the highest byte means nothing."""
        return argb(self.raw if area is None else self.read(area), self.format)

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Height × width × 3: what is seen."""
        made = np.ascontiguousarray(self.pixels()).astype("<u4").view(np.uint8).reshape(self.height, self.width, 4)
        return np.ascontiguousarray(made[:, :, 2::-1])

    def native(self, pixels: Pixels) -> Raw:
        """Pixels in the surface's own format."""
        match self.format:
            case SurfaceFormat.RGB555:
                return _pack(pixels, 5, 10)
            case SurfaceFormat.RGB565:
                return _pack(pixels, 6, 11)
            case SurfaceFormat.A8:
                return (pixels >> np.uint32(24)).astype(np.uint8)
            case SurfaceFormat.A1:
                return (pixels >> np.uint32(31)).astype(np.uint8)
            case _:
                native: Raw = pixels
                return native

    def color(self, number: int) -> Raw:
        """A message's colour: it is in the surface's own format already."""
        mask = {2: 0xFFFF, 1: 0xFF}.get(self.raw.itemsize, 0xFFFFFFFF)
        value = self.raw.dtype.type(number & mask)
        return np.array(value & 1 if self.format is SurfaceFormat.A1 else value)

    def read(self, area: Area) -> Raw:
        """A view of the area's box."""
        return self.raw[area.slices]

    def write(self, area: Area, values: Raw) -> None:
        """Put values of the surface's format, or one, where the area is."""
        if self.format is SurfaceFormat.A1:
            values = values & np.uint8(1)
        if area.mask is None:
            self.raw[area.slices] = values
        else:
            np.copyto(self.raw[area.slices], values, where=area.mask)


def argb(raw: Raw, form: SurfaceFormat) -> Pixels:
    """0xAARRGGBB of numbers of that format."""
    match form:
        case SurfaceFormat.RGB555:
            return from_rgb555(raw)
        case SurfaceFormat.RGB565:
            wide = raw.astype(np.uint32)
            red, green, blue = wide >> np.uint32(11), wide >> np.uint32(5) & np.uint32(63), wide & np.uint32(31)
            made = (green << np.uint32(2) | green >> np.uint32(4)) << np.uint32(8)
            for five, shift in ((red, 16), (blue, 0)):
                made |= (five << np.uint32(3) | five >> np.uint32(2)) << np.uint32(shift)
            return made
        case SurfaceFormat.A8:
            return raw.astype(np.uint32) << np.uint32(24)
        case SurfaceFormat.A1:
            return raw.astype(np.uint32) * _OPAQUE
        case _:
            return np.asarray(raw, np.uint32)


def opaque(pixels: Pixels) -> Pixels:
    """The same with all of the alpha set: what has no alpha counts as such."""
    return pixels | _OPAQUE


def without_alpha(pixels: Pixels) -> Pixels:
    """The colours alone."""
    return pixels & _COLORS


def _pack(pixels: Pixels, green_bits: int, red_shift: int) -> Raw:
    red = pixels >> np.uint32(19) & np.uint32(31)
    green = pixels >> np.uint32(16 - green_bits) & np.uint32((1 << green_bits) - 1)
    blue = pixels >> np.uint32(3) & np.uint32(31)
    packed: Raw = (red << np.uint32(red_shift) | green << np.uint32(5) | blue).astype(np.uint16)
    return packed
