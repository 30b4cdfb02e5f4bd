"""Channel types (spice-protocol `enums.h`, `SPICE_CHANNEL_*`)."""

from __future__ import annotations

from enum import IntEnum


class ChannelType(IntEnum):
    """What a link carries."""

    MAIN = 1
    DISPLAY = 2
    INPUTS = 3
    CURSOR = 4
    PLAYBACK = 5
    RECORD = 6
    TUNNEL = 7
    SMARTCARD = 8
    USBREDIR = 9
    PORT = 10
    WEBDAV = 11


def channel_name(channel_type: int) -> str:
    """The name that logs show, such as ``display``; ``channel-42`` for a type that we do not know."""
    try:
        return ChannelType(channel_type).name.lower()
    except ValueError:
        return f"channel-{channel_type}"
