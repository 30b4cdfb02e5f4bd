"""Hostile drawings, on our surfaces."""

from __future__ import annotations

from tests.fuzz.scribbling import scribble


def test_whatever_a_server_draws_is_drawn_within_bounds_or_refused() -> None:
    outcomes = [scribble(seed) for seed in range(500)]
    assert sum(drawn for drawn, _ in outcomes) > 5000, "Too few come so far."
    assert sum(refused for _, refused in outcomes) > 2000, "Too few are spoilt."
