"""Hostile drawings, on our surfaces."""

from __future__ import annotations

import pytest

from tests.fuzz.scribbling import scribble

FOUND = {180849045459440: "a JPEG that claims so many pixels that Pillow refuses it by an error of its own"}
"""What the hour of `make soak` found, by seed."""


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_is_refused(seed: int) -> None:
    assert scribble(seed)[1] > 0


def test_whatever_a_server_draws_is_drawn_within_bounds_or_refused() -> None:
    outcomes = [scribble(seed) for seed in range(500)]
    assert sum(drawn for drawn, _ in outcomes) > 5000, "Too few come so far."
    assert sum(refused for _, refused in outcomes) > 2000, "Too few are spoilt."


def test_whatever_video_a_server_sends_is_shown_or_refused() -> None:
    outcomes = [scribble(seed, video=True) for seed in range(200)]
    assert sum(drawn for drawn, _ in outcomes) > 2000, "Too few come so far."
    assert sum(refused for _, refused in outcomes) > 1000, "Too few are spoilt."
