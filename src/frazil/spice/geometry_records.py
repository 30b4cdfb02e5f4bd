"""Points and boxes as messages carry them (spice-common `spice.proto`, `Point`, `Rect`, `Transform`)."""

from __future__ import annotations

from frazil.spice.fields import I16, I32, U32
from frazil.spice.records import record


@record
class Point:
    """Pixels from the left and from the top of a surface or a picture."""

    x: I32
    y: I32


@record
class Point16:
    """The same in fewer bytes."""

    x: I16
    y: I16


@record
class PointFix:
    """The same in sixteenths of a pixel (28.4 fixed point)."""

    x: I32
    y: I32


@record
class Rect:
    """A box: left and top are in it, right and bottom are not."""

    top: I32
    left: I32
    bottom: I32
    right: I32

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@record
class Transform:
    """The first two lines of a matrix in 16.16 fixed point, signed: from the destination's pixels to the source's."""

    t00: U32
    t01: U32
    t02: U32
    t10: U32
    t11: U32
    t12: U32
