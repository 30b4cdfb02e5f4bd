"""What a server answers to a link message and to a password (spice-protocol `error_codes.h`, `SPICE_LINK_ERR_*`)."""

from __future__ import annotations

from enum import IntEnum


class LinkError(IntEnum):
    """0 is success; every other value ends the link."""

    OK = 0
    ERROR = 1
    INVALID_MAGIC = 2
    INVALID_DATA = 3
    VERSION_MISMATCH = 4
    NEED_SECURED = 5
    NEED_UNSECURED = 6
    PERMISSION_DENIED = 7
    BAD_CONNECTION_ID = 8
    CHANNEL_NOT_AVAILABLE = 9


def link_error_name(code: int) -> str:
    """The name that logs show; ``link-error-42`` for a code that we do not know."""
    try:
        return LinkError(code).name.lower().replace("_", "-")
    except ValueError:
        return f"link-error-{code}"
