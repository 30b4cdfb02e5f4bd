"""Lines, curves and dashes, and strokes without end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.area import Area
from frazil.spice.canvas.strokes import figures, follow
from frazil.spice.draw_records import LineAttributes, LineFlags, Path, PathFlags, PathSegment
from frazil.spice.geometry_records import PointFix

PLAIN = LineAttributes(flags=0, style_count=None, style=None)
AREA = Area(0, 0, 40, 40)
FIGURE = PathFlags.BEGIN | PathFlags.END
SPOT = st.tuples(st.integers(-60, 100), st.integers(-60, 100))
FAR = st.integers(-(2**31), 2**31 - 1)


def path(*segments: tuple[int, list[tuple[int, int]]]) -> Path:
    """Points in whole pixels."""
    return Path(
        segments=tuple(
            PathSegment(flags=flags, points=tuple(PointFix(x=x << 4, y=y << 4) for x, y in points))
            for flags, points in segments
        )
    )


def drawn(line: Path, attributes: LineAttributes = PLAIN, area: Area = AREA) -> list[tuple[int, int]]:
    return [
        (int(x), int(y))
        for columns, rows in follow(figures(line), attributes, area)
        for x, y in zip(columns, rows, strict=True)
    ]


def test_the_last_point_is_left_out() -> None:
    assert drawn(path((FIGURE, [(1, 2), (4, 2)]))) == [(1, 2), (2, 2), (3, 2)]
    assert drawn(path((FIGURE, [(4, 2), (1, 2)]))) == [(4, 2), (3, 2), (2, 2)]
    assert drawn(path((FIGURE, [(3, 3), (3, 3)]))) == []


def test_a_closed_figure_has_each_corner_once() -> None:
    square = drawn(path((FIGURE | PathFlags.CLOSE, [(1, 1), (3, 1), (3, 3), (1, 3)])))
    assert len(square) == len(set(square)) == 8


def test_figures_go_on_over_segments() -> None:
    line = path((PathFlags.BEGIN, [(1, 1), (3, 1)]), (PathFlags.END, [(3, 3)]), (FIGURE, [(9, 9), (10, 9)]))
    assert figures(line) == [[(1, 1), (3, 1), (3, 3)], [(9, 9), (10, 9)]]


@given(SPOT, SPOT)
def test_a_line_has_one_pixel_a_step_and_keeps_to_its_middle(start: tuple[int, int], end: tuple[int, int]) -> None:
    dx, dy = end[0] - start[0], end[1] - start[1]
    most = max(abs(dx), abs(dy))
    spots = drawn(path((FIGURE, [start, end])), area=Area(-200, -200, 200, 200))
    assert len(spots) == most
    for step, (x, y) in enumerate(spots):
        assert abs(x - start[0] - dx * step / most) <= 0.5
        assert abs(y - start[1] - dy * step / most) <= 0.5


@given(SPOT, SPOT)
def test_a_clipped_line_is_the_line_clipped(start: tuple[int, int], end: tuple[int, int]) -> None:
    line = path((FIGURE, [start, end]))
    whole = drawn(line, area=Area(-200, -200, 200, 200))
    assert drawn(line) == [(x, y) for x, y in whole if 0 <= x < 40 and 0 <= y < 40]


def dashes(*lengths: int, flags: int = 0) -> LineAttributes:
    style = tuple(length << 4 for length in lengths)
    return LineAttributes(flags=LineFlags.STYLED | flags, style_count=len(style), style=style)


def test_dashes_and_gaps() -> None:
    line = path((FIGURE, [(0, 0), (12, 0)]))
    assert [x for x, _ in drawn(line, dashes(2, 3))] == [0, 1, 5, 6, 10, 11]
    assert [x for x, _ in drawn(line, dashes(3, 2, flags=LineFlags.START_WITH_GAP))] == [3, 4, 8, 9]
    assert [x for x, _ in drawn(line, dashes(2, 1, 1))] == [0, 1, 3, 6, 8, 9, 11]
    backwards = path((FIGURE, [(12, 0), (0, 0)]))
    assert [x for x, _ in drawn(backwards, dashes(2, 3))] == [11, 10, 6, 5, 1, 0]
    upwards = path((FIGURE, [(0, 7), (0, 0)]))
    assert [y for _, y in drawn(upwards, dashes(2, 3))] == [6, 5, 1, 0]


def test_what_has_no_length_is_no_dash() -> None:
    with pytest.raises(RemoteProtocolError, match="no length"):
        drawn(path((FIGURE, [(0, 0), (9, 0)])), dashes(0, 0))
    with pytest.raises(RemoteProtocolError, match="negative"):
        drawn(path((FIGURE, [(0, 0), (9, 0)])), dashes(-1, 2))


def test_a_curve_begins_and_ends_where_it_should() -> None:
    spots = drawn(path((FIGURE | PathFlags.BEZIER, [(0, 0), (0, 20), (30, 20), (30, 0)])))
    assert spots[0] == (0, 0)
    assert (30, 1) in spots
    assert max(y for _, y in spots) == 15


@given(st.lists(st.builds(PointFix, x=FAR, y=FAR), min_size=4, max_size=4))
def test_far_curves_have_an_end(points: list[PointFix]) -> None:
    line = Path(segments=(PathSegment(flags=FIGURE | PathFlags.BEZIER, points=tuple(points)),))
    try:
        assert all(0 <= x < 40 and 0 <= y < 40 for x, y in drawn(line))
    except RemoteProtocolError:
        return


def test_strokes_have_an_end() -> None:
    curve = [PointFix(x=x, y=y) for x, y in ((1 << 15, 0), (0, 1 << 15), (1 << 15, 1 << 15))]
    many = PathSegment(flags=PathFlags.BEZIER, points=(PointFix(x=0, y=0), *curve * 20_000))
    begun = PathSegment(flags=PathFlags.BEGIN, points=(PointFix(x=0, y=0),))
    with pytest.raises(RemoteProtocolError, match="points"):
        figures(Path(segments=(begun, many)))
    there_and_back = [[(0, 0), (30_000, 0)] * 2000]
    with pytest.raises(RemoteProtocolError, match="pixels"):
        for _ in follow(there_and_back, PLAIN, Area(0, 0, 30_000, 1)):
            pass


def test_a_curve_from_nowhere_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="nowhere"):
        figures(path((PathFlags.BEZIER, [(0, 0), (1, 1), (2, 2)])))
