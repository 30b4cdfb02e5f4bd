"""Time, ids and randomness as things that are passed in."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The time of day, UTC, aware."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only ever grow; for deadlines and durations."""
        ...


class Ids(Protocol):
    """Where ids and secrets come from."""

    def new_id(self) -> str:
        """A fresh UUIDv7 in its usual 36 characters (RFC 9562)."""
        ...

    def new_secret(self, n_bytes: int = 32) -> str:
        """A fresh URL-safe secret of `n_bytes` random bytes."""
        ...
