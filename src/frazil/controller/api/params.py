"""Parameters that several calls take."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header, Query

from frazil.controller.api.problems import PreconditionRequired
from frazil.controller.services.paging import LIMIT_MAX
from frazil.model.errors import InvalidInput

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most items in one answer")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before")]
WaitS = Annotated[float, Query(ge=0, le=20, description="How long to wait for what is not ready yet, in seconds")]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="The ETag of what was looked at")]


def etag(version: int) -> str:
    return f'"{version}"'


def version_of(if_match: str | None) -> int:
    """The version in an If-Match header of ours."""
    if if_match is None:
        raise PreconditionRequired(
            "Say which version you looked at.", remedy="Send its ETag in an If-Match header.", field="If-Match"
        )
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal():
        raise InvalidInput("This If-Match is not an ETag that was given out.", field="If-Match")
    return int(text)


_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def moment(text: str | None, field: str) -> datetime | None:
    """A time as RFC 3339 (section 5.6) has it, in UTC; raises InvalidInput for any other."""
    if text is None:
        return None
    try:
        if not _RFC_3339.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(
            f"{text[:64]!r} is no time of RFC 3339.",
            remedy="Write it like 2030-01-31T08:00:00Z; in an address, a + is written %2B.",
            field=field,
        ) from exc
