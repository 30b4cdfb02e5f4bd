"""Parameters that several calls take."""

from __future__ import annotations

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
