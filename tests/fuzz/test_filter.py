"""Hostile servers and clients against a link's filter: for a few seconds here, for an hour in `make soak`."""

from __future__ import annotations

import pytest

from tests.fuzz.traffic import play


@pytest.mark.parametrize("start", range(0, 4000, 1000))
def test_whatever_comes_is_refused_or_may_pass(start: int) -> None:
    fed = sum(play(seed) for seed in range(start, start + 600))
    assert fed > 1_000_000, "The traffic is refused too early to be of use."
