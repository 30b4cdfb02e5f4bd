"""How the display channel begins (spice-common `spice.proto`, `DisplayChannel`)."""

from __future__ import annotations

from enum import IntEnum

from frazil.spice.fields import I32, I64, U8
from frazil.spice.records import record

GLZ_WINDOW_MAX_PIXELS = 1 << 25
"""The largest window of GLZ; spice-server can't do with a larger one (`LZ_MAX_WINDOW_SIZE`)."""
INIT_BYTES = 14


class DisplayClient(IntEnum):
    """Client to server."""

    INIT = 101


@record
class DisplayInit:
    """The client's first message: which caches the session's display channels share, and their sizes in pixels."""

    pixmap_cache_id: U8
    pixmap_cache_pixels: I64
    glz_dictionary_id: U8
    glz_window_pixels: I32
