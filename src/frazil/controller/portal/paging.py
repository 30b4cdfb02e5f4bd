"""All items of a list that comes in pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from frazil.wire.rest import Page

T = TypeVar("T")


async def every(fetch: Callable[[str | None], Awaitable[Page[T]]]) -> list[T]:
    """The items of all pages; `fetch` gets a cursor, at first None."""
    page = await fetch(None)
    items = list(page.items)
    while page.next_cursor is not None:
        page = await fetch(page.next_cursor)
        items.extend(page.items)
    return items
