"""What a desktop shows: its display and cursor channels' messages, drawn. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from frazil.model.errors import Conflict
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.canvas.pointer import Pointer
from frazil.spice.display_channel import DisplayInit, DisplayServer, MonitorsConfigured
from frazil.spice.fields import Buffer
from frazil.spice.pictures.decoder import SessionPictures
from frazil.spice.records import decode
from frazil.viewer.heads import Head, heads_of
from frazil.viewer.screenshot import Box, Screenshot

CACHE_PIXELS = 1 << 24
WINDOW_PIXELS = 1 << 22
"""Of GLZ: 16 MiB, as a viewer of one screen has it."""
_NOTHING_SEEN = frozenset(
    {
        DisplayServer.INVAL_LIST,
        DisplayServer.INVAL_ALL_PIXMAPS,
        DisplayServer.INVAL_PALETTE,
        DisplayServer.INVAL_ALL_PALETTES,
        DisplayServer.STREAM_CREATE,
        DisplayServer.STREAM_CLIP,
        DisplayServer.STREAM_DESTROY,
        DisplayServer.STREAM_DESTROY_ALL,
    }
)


class Screen:
    """`drawings` counts the messages that may have changed what is seen; `complete` once the first picture is whole."""

    def __init__(self, session: SessionPictures) -> None:
        self.drawings = 0
        self.begin_anew(session)

    def begin_anew(self, session: SessionPictures) -> None:
        """The desktop is at another server, which sends all of it again."""
        self.canvas = Canvas(session)
        self.pointer = Pointer()
        self._marked = False
        self._monitors: MonitorsConfigured | None = None

    @property
    def complete(self) -> bool:
        """The server marks when all that was on the screen has come."""
        return self._marked and self.canvas.primary is not None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels of what is shown."""
        primary = self.canvas.primary
        return (primary.width, primary.height) if primary else None

    @property
    def heads(self) -> tuple[Head, ...]:
        """The monitors that show this picture, by their numbers: one for all of it unless the server says otherwise."""
        primary = self.canvas.primary
        if primary is None:
            return ()
        told = heads_of(self._monitors) if self._monitors else ()
        return told or (Head(0, Box(0, 0, primary.width, primary.height)),)

    @property
    def used(self) -> Mapping[str, int]:
        """How many pictures came, by their kinds."""
        used = self.canvas.pictures.used
        return {kind.name.lower().replace("_", "-"): count for kind, count in sorted(used.items())}

    @property
    def video_frames(self) -> Mapping[str, int]:
        """How many frames of video were shown, by their codecs."""
        return {codec.name.lower(): count for codec, count in sorted(self.canvas.frames_shown.items())}

    def cursor(self, number: int, body: Buffer) -> None:
        """Follow a message of the cursor channel. Raises RemoteProtocolError."""
        self.pointer.handle(number, body)

    def display(self, number: int, body: Buffer) -> bool:
        """Draw a message of the display channel; whether what is seen may have changed.

        Raises RemoteProtocolError. After MissingPicture or NotInCache the same message can be given again.
        """
        if number == DisplayServer.MARK:
            self._marked = True
            return True
        if number == DisplayServer.MONITORS_CONFIG:
            self._monitors = decode(MonitorsConfigured, body)
            return True
        if not self.canvas.handle(number, body) or number in _NOTHING_SEEN:
            return False
        self.drawings += 1
        return True

    def screenshot(self, *, pointer: bool) -> Screenshot:
        """Raises Conflict while there is no picture."""
        primary = self.canvas.primary
        if primary is None:
            raise Conflict("The desktop shows no picture now.", remedy="Wait for one: wait_for_picture.")
        rgb = primary.rgb()
        return Screenshot(self.pointer.over(rgb) if pointer else rgb)


def session_pictures() -> SessionPictures:
    """What all screens of a connection share."""
    return SessionPictures.of_sizes(cache_pixels=CACHE_PIXELS, window_pixels=WINDOW_PIXELS)


def first_message() -> DisplayInit:
    """What a display channel is told first: the caches that we keep."""
    return DisplayInit(
        pixmap_cache_id=1,
        pixmap_cache_pixels=CACHE_PIXELS,
        glz_dictionary_id=1,
        glz_window_pixels=WINDOW_PIXELS,
    )
