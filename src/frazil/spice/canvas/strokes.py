"""Lines of one pixel's width (spice-common `lines.c`, from X's `mizerline.c`; `canvas_base.c`, `canvas_draw_stroke`).

A line has one pixel in each column (or each row, if it is steep), that whose middle is nearest; its last point is left
out, so that figures of several lines have each corner once. Curves are halved until they are straight to within half a
pixel.

Dashes X draws as polygons of a pixel's width. Those of level and upright lines have the same pixels here; along others,
and at corners, some are other ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.area import Area
from frazil.spice.draw_records import LineAttributes, LineFlags, Path, PathFlags
from frazil.spice.geometry_records import PointFix

Spot: TypeAlias = tuple[int, int]
Spots: TypeAlias = npt.NDArray[np.int64]

POINTS_MAX = 1 << 18
"""Of one stroke, curves included."""
CURVE_POINTS_MAX = 1 << 12
"""Of one curve: more than it takes over the largest picture. A hostile one has no end of halves."""
STEPS_MAX = 1 << 25
"""Pixels that one stroke's lines are followed for, seen or not by the clip."""
_Y_MAJOR, _Y_DECREASING, _X_DECREASING = 1, 2, 4
_DOWNWARD_BIAS = frozenset(
    {
        _Y_DECREASING | _Y_MAJOR,
        _X_DECREASING | _Y_DECREASING | _Y_MAJOR,
        _X_DECREASING | _Y_DECREASING,
        _X_DECREASING,
    }
)
"""Directions in which a line that passes just between two pixels takes the one nearer to its beginning."""


def figures(path: Path) -> list[list[Spot]]:
    """The path's lines in whole pixels: one list of corners for each figure."""
    made: list[list[Spot]] = []
    corners: list[Spot] = []
    left = POINTS_MAX

    def add(spots: list[Spot]) -> None:
        nonlocal left
        left -= len(spots)
        if left < 0:
            raise RemoteProtocolError(f"A path has more than {POINTS_MAX} points.")
        corners.extend(spots)

    for segment in path.segments:
        points = list(segment.points)
        if segment.flags & PathFlags.BEGIN:
            made.append(corners)
            corners = []
            add([_rounded(point) for point in points[:1]])
            points = points[1:]
        if segment.flags & PathFlags.BEZIER:
            for at in range(0, len(points) - 2, 3):
                if not corners:
                    raise RemoteProtocolError("A path begins with a curve from nowhere.")
                add(_curve(corners[-1], points[at : at + 3]))
        else:
            add([_rounded(point) for point in points])
        if segment.flags & PathFlags.END:
            if segment.flags & PathFlags.CLOSE:
                add(corners[:1])
            made.append(corners)
            corners = []
    made.append(corners)
    return [figure for figure in made if len(figure) > 1]


def lines_of(corners: list[Spot], attributes: LineAttributes, area: Area) -> Iterator[tuple[Spots, Spots]]:
    """Columns and rows of each line's pixels within the area's box; with dashes, only of those."""
    dashes = _dashes(attributes)
    length = 0.0
    for start, end in pairwise(corners):
        level = start[0] == end[0] or start[1] == end[1]
        backwards = dashes is not None and level and end < start  # a polygon has its lower edges, not its upper ones
        steps, columns, rows = _line(start, end, area, first=int(backwards))
        long = math.hypot(end[0] - start[0], end[1] - start[1])
        if dashes is not None and len(steps):
            most = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
            shown = dashes.shown(length + (steps.astype(np.float64) - backwards) * (long / most))
            columns, rows = columns[shown], rows[shown]
        length += long
        if len(columns):
            yield columns, rows


def follow(strokes: Iterable[list[Spot]], attributes: LineAttributes, area: Area) -> Iterator[tuple[Spots, Spots]]:
    """`lines_of` all figures. Raises RemoteProtocolError for more pixels than anybody would draw."""
    followed = 0
    for corners in strokes:
        for columns, rows in lines_of(corners, attributes, area):
            followed += len(columns)
            if followed > STEPS_MAX:
                raise RemoteProtocolError(f"A stroke has more than {STEPS_MAX} pixels.")
            yield columns, rows


def _line(start: Spot, end: Spot, area: Area, *, first: int = 0) -> tuple[Spots, Spots, Spots]:
    """Steps from the beginning, columns and rows; from step `first` on, and as many steps as the line is long."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    steep = abs(dx) <= abs(dy)
    major, minor = (abs(dy), abs(dx)) if steep else (abs(dx), abs(dy))
    if not major:
        none = np.zeros(0, np.int64)
        return none, none, none
    octant = (_Y_MAJOR if steep else 0) | (_Y_DECREASING if dy < 0 else 0) | (_X_DECREASING if dx < 0 else 0)
    bias = 1 if octant in _DOWNWARD_BIAS else 0
    origin, low, high = (start[1], area.top, area.bottom) if steep else (start[0], area.left, area.right)
    sign = 1 if (dy if steep else dx) > 0 else -1
    begin, stop = (low - origin, high - origin) if sign > 0 else (origin - high + 1, origin - low + 1)
    steps = np.arange(max(first, begin), min(major + first, stop), dtype=np.int64)
    aside = (2 * minor * steps + major - bias) // (2 * major)
    if steep:
        columns = start[0] + (aside if dx > 0 else -aside)
        rows = start[1] + sign * steps
    else:
        columns = start[0] + sign * steps
        rows = start[1] + (aside if dy > 0 else -aside)
    inside = (columns >= area.left) & (columns < area.right) & (rows >= area.top) & (rows < area.bottom)
    return steps[inside], columns[inside], rows[inside]


class _Dashes:
    """Lengths in pixels, shown and not shown in turn."""

    def __init__(self, lengths: list[int], offset: int) -> None:
        if len(lengths) % 2:
            lengths = lengths * 2  # an odd number of them: what was shown is not the next time
        self._ends = np.cumsum(lengths)
        if self._ends[-1] <= 0:
            raise RemoteProtocolError("A line's dashes have no length.")
        self._offset = offset

    def shown(self, distances: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Whether a line is seen so far from its beginning."""
        places = (distances + self._offset) % int(self._ends[-1])
        return np.asarray(np.searchsorted(self._ends, places, side="right") % 2 == 0)


def _dashes(attributes: LineAttributes) -> _Dashes | None:
    if not attributes.style:
        return None
    if any(length < 0 for length in attributes.style):
        raise RemoteProtocolError("A line has dashes of negative length.")
    lengths = [_pixels(length) & 255 for length in attributes.style]
    if attributes.flags & LineFlags.START_WITH_GAP:
        turned = [*lengths[1:], lengths[0]]
        return _Dashes(turned, turned[0])
    return _Dashes(lengths, 0)


def _pixels(fixed: int) -> int:
    """Sixteenths to the nearest whole; a half goes down."""
    return (fixed >> 4) + (1 if fixed & 15 > 8 else 0)


def _rounded(point: PointFix) -> Spot:
    return _pixels(point.x), _pixels(point.y)


def _curve(start: Spot, points: list[PointFix]) -> list[Spot]:
    """Corners of a cubic curve, without its beginning."""
    begin = (start[0] << 4, start[1] << 4)
    first, second, end = ((point.x, point.y) for point in points)
    made: list[Spot] = []
    todo = [(begin, first, second, end)]
    while todo:
        curve = todo.pop()
        if _straight(curve):
            made.append((_pixels(curve[3][0]), _pixels(curve[3][1])))
        else:
            todo += reversed(_halves(curve))
        if len(made) + len(todo) > CURVE_POINTS_MAX:
            raise RemoteProtocolError(f"A curve takes more than {CURVE_POINTS_MAX} lines.")
    return made


_Cubic: TypeAlias = tuple[Spot, Spot, Spot, Spot]


def _straight(curve: _Cubic) -> bool:
    """Whether both middle points are within half a pixel of the line between the ends."""
    begin, first, second, end = curve
    chord = (end[0] - begin[0], end[1] - begin[1])
    squared = _dot(chord, chord)
    for point, from_end, sign in ((first, begin, 1), (second, end, -1)):
        arm = (point[0] - from_end[0], point[1] - from_end[1])
        along = _dot(arm, (sign * chord[0], sign * chord[1]))
        if _dot(arm, arm) * squared - along * along >> 3 >= squared:
            return False
    return True


def _dot(first: Spot, second: Spot) -> int:
    return first[0] * second[0] + first[1] * second[1] >> 4


def _halves(curve: _Cubic) -> tuple[_Cubic, _Cubic]:
    begin, first, second, end = curve
    left, middle, right = _mean(begin, first), _mean(first, second), _mean(second, end)
    left_in, right_in = _mean(left, middle), _mean(middle, right)
    centre = _mean(left_in, right_in)
    return (begin, left, left_in, centre), (centre, right_in, right, end)


def _mean(first: Spot, second: Spot) -> Spot:
    """Towards zero, as C divides."""
    return int((first[0] + second[0]) / 2), int((first[1] + second[1]) / 2)
