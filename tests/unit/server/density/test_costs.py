"""What one more desktop is reckoned at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frazil.server.density.costs import REMEMBERED, TRUSTED, Costs, ninth_decile


def test_until_enough_were_measured_the_prior_stands() -> None:
    costs = Costs()
    assert (costs.each("k", prior=120), costs.measured("k")) == (120, 0)
    for n in range(TRUSTED - 1):
        costs.saw("k", f"d{n}", 40)
    assert costs.each("k", prior=120) == 120
    costs.saw("k", "d9", 40)
    assert (costs.each("k", prior=120), costs.measured("k")) == (40, TRUSTED)
    assert costs.each("other", prior=120) == 120


def test_a_large_figure_counts_at_once_and_one_desktop_counts_once() -> None:
    costs = Costs()
    for mib in (50, 90, 200):
        costs.saw("k", "d1", mib)
    assert costs.measured("k") == 1
    assert costs.each("k", prior=120) == 200


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200))
def test_nine_of_ten_cost_no_more(values: list[int]) -> None:
    at = ninth_decile(values)
    assert at in values
    assert sum(value <= at for value in values) >= 0.9 * len(values)
    assert sum(value < at for value in values) < 0.9 * len(values)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 5000)), max_size=300))
def test_only_the_newest_are_remembered(figures: list[tuple[int, int]]) -> None:
    costs = Costs()
    for desktop, mib in figures:
        costs.saw("k", f"d{desktop}", mib)
    assert costs.measured("k") == min(REMEMBERED, len({desktop for desktop, _ in figures}))
    assert costs.each("k", prior=1) >= 1
