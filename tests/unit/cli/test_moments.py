"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from frazil.cli.moments import moment
from frazil.model.errors import InvalidInput

NOW = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("90s", "2030-01-31T12:28:30"),
        ("30m", "2030-01-31T12:00:00"),
        ("2h", "2030-01-31T10:30:00"),
        ("7d", "2030-01-24T12:30:00"),
        ("2w", "2030-01-17T12:30:00"),
        ("0h", "2030-01-31T12:30:00"),
        ("2030-01-31", "2030-01-31T00:00:00"),
        ("2030-01-31T08:30", "2030-01-31T08:30:00"),
        ("2030-01-31 08:30:15", "2030-01-31T08:30:15"),
        ("2030-01-31T08:30:15Z", "2030-01-31T08:30:15"),
        ("2030-01-31T08:30+01:00", "2030-01-31T07:30:00"),
    ],
)
def test_moments(text: str, said: str) -> None:
    assert moment(text, now=NOW, field="since") == datetime.fromisoformat(said).replace(tzinfo=UTC)


def test_a_day_as_an_end_is_over_and_a_moment_is_itself() -> None:
    assert moment("2030-01-31", now=NOW, field="until", end=True) == datetime(2030, 2, 1, tzinfo=UTC)
    assert moment("2030-01-31T08:30", now=NOW, field="until", end=True) == datetime(2030, 1, 31, 8, 30, tzinfo=UTC)
    assert moment(None, now=NOW, field="until", end=True) is None


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2 h", "-2h", "2y", "999999999w", "2030-13-01", "2030-02-30", "9999-12-31", "20300131",
     "2030-01-31T25:00", "0001-01-01T00:00+14:00", "2030-W05-1", "1893456000"],
)  # fmt: skip
def test_what_is_no_moment_is_said(text: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        moment(text, now=NOW, field="until", end=True)
    assert raised.value.field == "until"
    assert "7d" in raised.value.remedy
