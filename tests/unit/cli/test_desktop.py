"""How long a deleted desktop is kept still, for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from frazil.cli.commands.desktop import time_left

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "words"), [(7 * 24, "7.0 days"), (49, "2.0 days"), (47.5, "47.5 h"), (0.5, "0.5 h"), (-3, "0.0 h")]
)
def test_the_time_left_is_in_days_or_hours(hours: float, words: str) -> None:
    assert time_left(NOW + timedelta(hours=hours), NOW) == words
    assert time_left(None, NOW) == "0.0 h"
