"""Moments as people type them: a date, a date with a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from frazil.model.errors import InvalidInput

_AGO = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?")
EXAMPLES = "2030-01-31, 2030-01-31T08:30, or an age such as 30m, 2h, 7d"


def moment(text: str | None, *, now: datetime, field: str, end: bool = False) -> datetime | None:
    """The moment that `text` says, in UTC, as the tables of the commands are; raises InvalidInput.

    end: a day alone is the moment that it is over, not that it begins.
    """
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1 if end else 0)
        if _TIME.fullmatch(text):
            said = datetime.fromisoformat(text)
            return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"{text[:64]!r} is no time.", remedy=f"Write it like {EXAMPLES}; times are UTC.", field=field)
