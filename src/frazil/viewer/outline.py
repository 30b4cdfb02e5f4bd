"""Where a desktop draws, without its pictures: what load needs of a screen. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from frazil.model.errors import Conflict
from frazil.spice.display_channel import (
    DISPLAY_FROM_SERVER,
    DisplayServer,
    StreamCreate,
    StreamData,
    StreamDataSized,
    StreamDestroy,
    SurfaceCreate,
    SurfaceDestroy,
    SurfaceFlags,
)
from frazil.spice.fields import U32, Buffer, Rest
from frazil.spice.geometry_records import Rect
from frazil.spice.pictures.decoder import SessionPictures
from frazil.spice.records import decode, record
from frazil.viewer.heads import Head
from frazil.viewer.screenshot import Box, Screenshot

_DRAWINGS = frozenset(
    {
        DisplayServer.COPY_BITS,
        DisplayServer.DRAW_COMPOSITE,
        *(one for one in DisplayServer if DisplayServer.DRAW_FILL <= one <= DisplayServer.DRAW_ALPHA_BLEND),
    }
)
_SURFACES_AND_STREAMS = frozenset(
    {
        DisplayServer.SURFACE_CREATE,
        DisplayServer.SURFACE_DESTROY,
        DisplayServer.STREAM_CREATE,
        DisplayServer.STREAM_DATA,
        DisplayServer.STREAM_DATA_SIZED,
        DisplayServer.STREAM_DESTROY,
    }
)


@record
class _Drawing:
    """What all of them begin with; pictures, brushes and clips are in the rest."""

    surface_id: U32
    box: Rect
    rest: Rest


class Outline:
    """Takes a `Screen`'s place for `connect`. `told` hears of each box that is drawn on what is shown.

    Nothing is decoded, and nothing kept: a screenshot can't be had.
    """

    used: Mapping[str, int] = {}
    video_frames: Mapping[str, int] = {}
    heads: tuple[Head, ...] = ()

    def __init__(self, told: Callable[[Box], None] = lambda _box: None) -> None:
        self.drawings = 0
        self._told = told
        self.begin_anew()

    def begin_anew(self, _session: SessionPictures | None = None) -> None:
        """The desktop is at another server, which sends all of it again."""
        self.complete = False
        self.size: tuple[int, int] | None = None
        self._primary: int | None = None
        self._streams: dict[int, StreamCreate] = {}

    def display(self, number: int, body: Buffer) -> bool:
        """Hear a message of the display channel; whether what is seen may have changed. Raises RemoteProtocolError."""
        if number in _DRAWINGS:
            drawing = decode(_Drawing, body)
            return self._drawn(drawing.surface_id, drawing.box)
        if number in _SURFACES_AND_STREAMS:
            return self._hear(DISPLAY_FROM_SERVER.decode(number, body))
        if number == DisplayServer.MARK:
            self.complete = True
            return True
        if number in (DisplayServer.RESET, DisplayServer.STREAM_DESTROY_ALL):
            self._streams.clear()
        return False

    def cursor(self, number: int, body: Buffer) -> None:
        """The pointer is nothing that is drawn."""

    def screenshot(self, *, pointer: bool) -> Screenshot:
        """Raises Conflict."""
        raise Conflict("This desktop is looked at without its pictures.", remedy="Connect without an outline.")

    def _hear(self, message: object) -> bool:
        match message:
            case SurfaceCreate() if message.flags & SurfaceFlags.PRIMARY:
                self._primary, self.size = message.surface_id, (message.width, message.height)
            case SurfaceDestroy() if message.surface_id == self._primary:
                self._primary = self.size = None
                return True
            case StreamCreate():
                self._streams[message.id] = message
            case StreamDestroy():
                self._streams.pop(message.id, None)
            case StreamData() | StreamDataSized() if stream := self._streams.get(message.id):
                sized = message.dest if isinstance(message, StreamDataSized) else stream.dest
                return self._drawn(stream.surface_id, sized)
        return False

    def _drawn(self, surface_id: int, box: Rect) -> bool:
        if surface_id != self._primary:
            return False
        self.drawings += 1
        self._told(Box(box.left, box.top, box.right, box.bottom))
        return True
