"""Lists in pages: a cursor is the key of the last item that was given."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from frazil.model.errors import InvalidInput
from frazil.wire.rest import Page

LIMIT_MAX = 500
LIMIT = 100

R = TypeVar("R")
M = TypeVar("M")


def decode(cursor: str | None) -> str | None:
    """The key in a cursor; raises InvalidInput when it is not one of ours."""
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor.encode("ascii") + b"==").decode("ascii")
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput("This cursor is not one that was given out.", field="cursor") from exc


def encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode("ascii")).decode("ascii").rstrip("=")


def check(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"A page holds 1 to {LIMIT_MAX} items, not {limit}.", field="limit")
    return limit


def page(rows: Sequence[R], *, limit: int, key: Callable[[R], str], model: Callable[[R], M]) -> Page[M]:
    """A page of at most `limit` of the `rows`, of which there is one more when there is a next page."""
    more = len(rows) > limit
    shown = rows[:limit]
    return Page(items=[model(row) for row in shown], next_cursor=encode(key(shown[-1])) if more else None)
