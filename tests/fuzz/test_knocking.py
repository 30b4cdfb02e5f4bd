"""Hostile beginnings of links, on either side of the gateway."""

from __future__ import annotations

from collections import Counter

from tests.fuzz.knocking import knock


def test_whatever_a_link_begins_with_is_refused_in_words_or_taken() -> None:
    came = Counter(knock(seed) for seed in range(3000))
    assert all(came[step] > 200 for step in range(3)), "Too few come so far."
