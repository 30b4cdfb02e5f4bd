"""How long to wait after tries that failed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FORGOTTEN_AFTER = timedelta(minutes=30)
"""A key with no failure for so long starts afresh."""


@dataclass(frozen=True, slots=True)
class Rule:
    """After `free` failures the wait is 1 s and doubles with each further one, to at most `max_wait`."""

    free: int
    max_wait: timedelta


BY_NAME = Rule(5, timedelta(seconds=60))
"""Short at most, since anyone can make another person's name wait."""
BY_ADDRESS = Rule(20, timedelta(seconds=300))


def after_failure(rule: Rule, *, failures: int, last_failure: datetime | None, now: datetime) -> tuple[int, datetime]:
    """(failures counted now, until when further tries are not looked at), after one more failure."""
    if last_failure is not None and now - last_failure > FORGOTTEN_AFTER:
        failures = 0
    failures += 1
    over = failures - rule.free
    if over < 0:
        return failures, now
    wait = min(rule.max_wait, timedelta(seconds=2 ** min(over, 30)))
    return failures, now + wait
