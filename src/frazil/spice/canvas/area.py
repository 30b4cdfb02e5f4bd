"""Where a drawing has an effect: a box within the surface, and in it perhaps only some pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.spice.draw_records import Clip
from frazil.spice.geometry_records import Rect

PixelMask: TypeAlias = npt.NDArray[np.bool_]

BAND_PIXELS = 1 << 18
"""Some tens of numbers are kept for each pixel of a band while it is blended."""


@dataclass(frozen=True, slots=True)
class Area:
    """Pixels of a surface, right and bottom excluded. `mask` (height × width) says which ones; None is all."""

    left: int
    top: int
    right: int
    bottom: int
    mask: PixelMask | None = None

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box, for arrays of the whole surface."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def cut(self, left: int, top: int, right: int, bottom: int) -> Area:
        """What of it is in a box."""
        made = Area(max(self.left, left), max(self.top, top), min(self.right, right), min(self.bottom, bottom))
        if self.mask is None or made.empty:
            return made
        lines = slice(made.top - self.top, made.bottom - self.top)
        columns = slice(made.left - self.left, made.right - self.left)
        return replace(made, mask=self.mask[lines, columns])

    def bands(self) -> Iterator[Area]:
        """The same in pieces of whole lines, so that what is counted for each pixel takes little memory at a time."""
        lines = max(1, BAND_PIXELS // max(1, self.width))
        for top in range(self.top, self.bottom, lines):
            yield self.cut(self.left, top, self.right, top + lines)

    def only(self, mask: PixelMask) -> Area:
        """What of it is set in a mask of its size."""
        return replace(self, mask=mask if self.mask is None else self.mask & mask)


def clipped(box: Rect, clip: Clip, width: int, height: int) -> Area:
    """What of `box` is on a surface of that size and within the clip; perhaps empty."""
    area = Area(box.left, box.top, box.right, box.bottom).cut(0, 0, width, height)
    if clip.rects is None or area.empty:
        return area
    if not clip.rects:
        return area.cut(0, 0, 0, 0)
    if len(clip.rects) == 1:
        only = clip.rects[0]
        return area.cut(only.left, only.top, only.right, only.bottom)
    hull = area.cut(
        min(rect.left for rect in clip.rects),
        min(rect.top for rect in clip.rects),
        max(rect.right for rect in clip.rects),
        max(rect.bottom for rect in clip.rects),
    )
    if hull.empty:
        return hull
    return hull.only(_covered(hull, clip.rects))


def _covered(area: Area, rects: tuple[Rect, ...]) -> PixelMask:
    """Which pixels any of the boxes has: in time that adds the number of boxes to that of pixels.

    Each box writes +1 and -1 to its corners; summed up along both axes that is how many boxes cover a pixel.
    """
    boxes = np.array([(rect.left, rect.top, rect.right, rect.bottom) for rect in rects], np.int64)
    lefts, rights = (np.clip(boxes[:, i], area.left, area.right) - area.left for i in (0, 2))
    tops, bottoms = (np.clip(boxes[:, i], area.top, area.bottom) - area.top for i in (1, 3))
    sound = (lefts < rights) & (tops < bottoms)
    lefts, tops, rights, bottoms = lefts[sound], tops[sound], rights[sound], bottoms[sound]
    corners = np.zeros((area.height + 1, area.width + 1), np.int32)
    np.add.at(corners, (tops, lefts), 1)
    np.add.at(corners, (bottoms, rights), 1)
    np.add.at(corners, (tops, rights), -1)
    np.add.at(corners, (bottoms, lefts), -1)
    covering = corners.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
    return np.asarray(covering > 0)
