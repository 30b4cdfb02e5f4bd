"""The cursor channel (spice-common `spice.proto`, `CursorChannel`): the pointer's shape, and where a server puts it."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Annotated

from frazil.spice.base_messages import BASE_FROM_CLIENT, BASE_FROM_SERVER, Empty
from frazil.spice.dependent_fields import Flagged, Nothing
from frazil.spice.fields import U8, U16, U64, Bool8, Rest
from frazil.spice.geometry_records import Point16
from frazil.spice.records import kind_of, record
from frazil.spice.tables import MessageTable


class CursorServer(IntEnum):
    """Server to client; the client says nothing of its own."""

    INIT = 101
    RESET = 102
    SET = 103
    MOVE = 104
    HIDE = 105
    TRAIL = 106
    INVAL_ONE = 107
    INVAL_ALL = 108


class CursorType(IntEnum):
    """What a shape's bytes mean; all but `ALPHA` have a mask of one bit a pixel behind the pixels."""

    ALPHA = 0
    MONO = 1
    COLOR4 = 2
    COLOR8 = 3
    COLOR16 = 4
    COLOR24 = 5
    COLOR32 = 6


class CursorFlags(IntFlag):
    """`NONE`: there is no pointer, and no header. `FROM_CACHE`: the shape is known by its id, no bytes follow."""

    NONE = 1
    CACHE_ME = 2
    FROM_CACHE = 4


@record
class CursorHeader:
    """Pixels; the hot spot is the pixel that points."""

    unique: U64
    type: U8
    width: U16
    height: U16
    hot_spot_x: U16
    hot_spot_y: U16


@record
class CursorShape:
    """The bytes go to the message's end."""

    flags: U16
    header: Annotated[
        CursorHeader | None, Flagged("flags", CursorFlags.NONE, Nothing(), when_clear=kind_of(CursorHeader))
    ]
    data: Rest


@record
class CursorInit:
    """Where the pointer is at first, and its shape."""

    position: Point16
    trail_length: U16
    trail_frequency: U16
    visible: Bool8
    cursor: CursorShape


@record
class CursorSet:
    """Another shape."""

    position: Point16
    visible: Bool8
    cursor: CursorShape


@record
class CursorMove:
    """Another place; the pointer is seen from now on."""

    position: Point16


@record
class CursorTrail:
    """What is left behind when it moves."""

    length: U16
    frequency: U16


@record
class CursorInval:
    """Forget this shape."""

    id: U64


CURSOR_FROM_SERVER = BASE_FROM_SERVER | MessageTable(
    {
        CursorServer.INIT: CursorInit,
        CursorServer.RESET: Empty,
        CursorServer.SET: CursorSet,
        CursorServer.MOVE: CursorMove,
        CursorServer.HIDE: Empty,
        CursorServer.TRAIL: CursorTrail,
        CursorServer.INVAL_ONE: CursorInval,
        CursorServer.INVAL_ALL: Empty,
    }
)
CURSOR_FROM_CLIENT = BASE_FROM_CLIENT
