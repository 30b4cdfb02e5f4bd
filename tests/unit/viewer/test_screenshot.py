"""Pictures of a moment: kept, compared, looked into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import InvalidInput
from frazil.viewer import Box, Screenshot


def noise(seed: int, width: int = 40, height: int = 30, colors: int = 256) -> Screenshot:
    return Screenshot(np.random.default_rng(seed).integers(0, colors, (height, width, 3), np.uint8))


def test_it_is_kept_as_it_is(tmp_path: Path) -> None:
    seen = noise(1)
    seen.save(tmp_path / "seen.png")
    again = Screenshot.load(tmp_path / "seen.png")
    assert again.same(seen)
    assert (again.width, again.height) == (40, 30)
    assert again.pixel(3, 4) == tuple(seen.rgb[4, 3])


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no")
    for name in ("no.png", "none.png"):
        with pytest.raises(InvalidInput, match="no picture"):
            Screenshot.load(tmp_path / name)
    for name in ("no/seen.png", "seen.nothing"):
        with pytest.raises(InvalidInput, match="can't be written"):
            noise(1).save(tmp_path / "deep" / name)


def test_what_changed_is_in_a_box() -> None:
    seen = noise(1)
    assert seen.changed(seen) is None
    other = Screenshot(seen.rgb.copy())
    other.rgb[5, 7] ^= 1
    other.rgb[9, 20, 2] ^= 1
    assert other.changed(seen) == Box(7, 5, 21, 10)
    assert noise(1, width=41).changed(seen) == Box(0, 0, 41, 30)


@given(
    seed=st.integers(0, 1000),
    colors=st.sampled_from((1, 2, 256)),
    left=st.integers(0, 39),
    top=st.integers(0, 29),
    width=st.integers(1, 40),
    height=st.integers(1, 30),
)
def test_a_part_is_found(seed: int, colors: int, left: int, top: int, width: int, height: int) -> None:
    seen = noise(seed, colors=colors)
    part = seen.cut(Box(left, top, min(40, left + width), min(30, top + height)))
    found = seen.find(part)
    assert found is not None
    assert (found.top, found.left) <= (top, left)
    assert seen.cut(found).same(part)


def test_what_is_not_there_is_not_found() -> None:
    seen = noise(1)
    part = Screenshot(seen.rgb[3:20, 3:20].copy())
    part.rgb[16, 16] ^= 1
    assert seen.find(part) is None
    assert seen.find(noise(1, width=41)) is None


def test_a_box_has_a_middle() -> None:
    assert Box(10, 20, 21, 40).middle == (15, 30)
