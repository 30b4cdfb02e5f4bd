"""Where a drawing has an effect."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frazil.spice.canvas.area import Area, clipped
from frazil.spice.draw_records import NO_CLIP, Clip
from frazil.spice.geometry_records import Rect

WIDTH, HEIGHT = 12, 9
SIDE = st.integers(-5, 16) | st.integers(-(2**31), 2**31 - 1)
RECTS = st.builds(Rect, left=SIDE, top=SIDE, right=SIDE, bottom=SIDE)


def pixels(area: Area) -> set[tuple[int, int]]:
    return {
        (x, y)
        for y in range(area.top, area.bottom)
        for x in range(area.left, area.right)
        if area.mask is None or area.mask[y - area.top, x - area.left]
    }


def within(rect: Rect) -> set[tuple[int, int]]:
    return {
        (x, y)
        for y in range(HEIGHT)
        for x in range(WIDTH)
        if rect.left <= x < rect.right and rect.top <= y < rect.bottom
    }


@given(RECTS, st.lists(RECTS, max_size=5))
def test_a_clip_leaves_what_any_of_its_boxes_has(box: Rect, rects: list[Rect]) -> None:
    assert pixels(clipped(box, NO_CLIP, WIDTH, HEIGHT)) == within(box)
    area = clipped(box, Clip(type=1, rects=tuple(rects)), WIDTH, HEIGHT)
    assert pixels(area) == within(box) & set().union(*(within(rect) for rect in rects))


@given(RECTS, st.lists(RECTS, max_size=3), RECTS)
def test_a_part_of_an_area_keeps_its_mask(box: Rect, rects: list[Rect], part: Rect) -> None:
    area = clipped(box, Clip(type=1, rects=tuple(rects)), WIDTH, HEIGHT)
    assert pixels(area.cut(part.left, part.top, part.right, part.bottom)) == pixels(area) & within(part)


def test_masks_add_up() -> None:
    area = Area(1, 1, 3, 2)
    once = area.only(np.array([[True, False]]))
    assert pixels(once) == {(1, 1)}
    assert once.only(np.array([[False, True]])).mask is not None
    assert pixels(once.only(np.array([[False, True]]))) == set()


def test_many_boxes_take_no_longer_than_their_number_and_the_area() -> None:
    many = Clip(type=1, rects=(Rect(left=0, top=0, right=500, bottom=500),) * 20_000)
    area = clipped(Rect(left=0, top=0, right=500, bottom=500), many, 500, 500)
    assert area.mask is not None
    assert area.mask.all()
