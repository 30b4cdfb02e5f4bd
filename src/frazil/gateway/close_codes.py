"""Why the gateway closes a WebSocket. The viewer knows the same numbers (web/src/closing.ts).

RFC 6455, 7.4.2: 4000 to 4999 are for private use.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """A viewer tries again by itself after RESTARTING, BACKEND_GONE and UNAVAILABLE only."""

    NORMAL = 1000
    RESTARTING = 1012
    REFUSED = 4403
    ENDED = 4410
    REPLACED = 4409
    BAD_LINK = 4400
    BACKEND_GONE = 4502
    UNAVAILABLE = 4503
    MAIN_GONE = 4504
