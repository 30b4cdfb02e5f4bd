"""The real clock and the real source of ids: the one place that reads them from the system."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime


class SystemClock:
    """`model.clock.Clock` on the machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()


class SystemIds:
    """`model.clock.Ids` on the system's random source."""

    def new_id(self) -> str:
        """UUIDv7: 48 bits of Unix milliseconds, version, variant, 74 random bits (RFC 9562, 5.7)."""
        ms = time.time_ns() // 1_000_000
        value = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
        value |= 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=value))

    def new_secret(self, n_bytes: int = 32) -> str:
        return secrets.token_urlsafe(n_bytes)
