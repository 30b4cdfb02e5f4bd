"""Waiting for something outside: looks again and again until it is so, or a deadline passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from frazil.model.errors import FrazilError

T = TypeVar("T")
BETWEEN_LOOKS_S, OF_THE_WAIT, AT_MOST_S = 0.1, 0.1, 1.0
"""Between two looks: so long, or this share of what was waited already, and no longer than that. Looks cost, too."""


def until(
    look: Callable[[], T],
    what: str | Callable[[], str],
    *,
    timeout_s: float = 60,
    not_yet: tuple[type[FrazilError], ...] = (),
) -> T:
    """What `look` returns, once that is true. `not_yet`: errors that mean "look again".

    AssertionError names `what` was waited for, and the last answer, when `timeout_s` passed.
    """
    began = time.monotonic()
    while True:
        last: object
        try:
            found = look()
            if found:
                return found
            last = found
        except not_yet as exc:
            last = exc
        waited_s = time.monotonic() - began
        if waited_s >= timeout_s:
            words = what if isinstance(what, str) else what()
            raise AssertionError(f"Not within {timeout_s:g} s: {words} (last: {last!r})")
        time.sleep(min(max(BETWEEN_LOOKS_S, OF_THE_WAIT * waited_s), AT_MOST_S))


async def eventually(look: Callable[[], Awaitable[bool]], what: str, *, timeout_s: float = 60) -> None:
    """`until` where the event loop goes on meanwhile."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await look():
                await asyncio.sleep(BETWEEN_LOOKS_S)
    except TimeoutError as exc:
        raise AssertionError(f"Not within {timeout_s:g} s: {what}") from exc
