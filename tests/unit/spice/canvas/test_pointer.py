"""The pointer's shapes and what the cursor channel says of it."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.base_messages import Empty
from frazil.spice.canvas.pointer import SHAPES_MAX, Pointer, shape_of
from frazil.spice.cursor_channel import (
    CursorFlags,
    CursorHeader,
    CursorInit,
    CursorInval,
    CursorMove,
    CursorServer,
    CursorSet,
    CursorShape,
    CursorType,
)
from frazil.spice.geometry_records import Point16
from frazil.spice.records import encode

RED, WHITE = 0xFF0000, 0xFFFFFF


def shape(kind: int, data: bytes, *, width: int = 2, height: int = 1, flags: int = 0, number: int = 1) -> CursorShape:
    header = CursorHeader(unique=number, type=kind, width=width, height=height, hot_spot_x=1, hot_spot_y=0)
    return CursorShape(flags=flags, header=header, data=data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (CursorType.MONO, bytes([0b01000000, 0b11000000])),
        (CursorType.COLOR4, bytes([0x01]) + struct.pack("<16I", WHITE, WHITE, *[0] * 14) + bytes([0b01000000])),
        (CursorType.COLOR8, bytes([0, 1]) + struct.pack("<256I", WHITE, WHITE, *[0] * 254) + bytes([0b01000000])),
        (CursorType.COLOR16, struct.pack("<HH", 0x7FFF, 0x7FFF) + bytes([0b01000000])),
        (CursorType.COLOR24, bytes([255] * 6) + bytes([0b01000000])),
        (CursorType.COLOR32, struct.pack("<II", WHITE, WHITE) + bytes([0b01000000])),
    ],
)
def test_white_is_white_where_the_mask_is_clear_and_inverts_where_it_is_set(kind: CursorType, data: bytes) -> None:
    made = shape_of(shape(kind, data))
    assert made.picture.pixels.tolist() == [[0xFFFFFFFF, 0]]
    assert made.inverted.tolist() == [[False, True]]
    assert (made.hot_x, made.hot_y) == (1, 0)


def test_what_is_not_white_under_a_mask_is_not_seen() -> None:
    made = shape_of(shape(CursorType.COLOR32, struct.pack("<II", RED, RED) + bytes([0b01000000])))
    assert made.picture.pixels.tolist() == [[0xFF000000 | RED, 0]]
    assert not made.inverted.any()


def set_to(pointer: Pointer, made: CursorShape, *, visible: bool = True, x: int = 1, y: int = 0) -> None:
    message = CursorSet(position=Point16(x=x, y=y), visible=visible, cursor=made)
    assert pointer.handle(CursorServer.SET, encode(message))


def test_it_is_put_over_a_picture() -> None:
    pointer = Pointer()
    black = np.zeros((2, 3, 3), np.uint8)
    assert (pointer.over(black) == black).all()
    set_to(pointer, shape(CursorType.ALPHA, struct.pack("<II", 0xFF000000 | RED, 0x80000080)))
    below = np.full((2, 3, 3), 100, np.uint8)
    assert pointer.over(below)[0].tolist() == [[255, 0, 0], [50, 50, 178], [100, 100, 100]]
    assert (below == 100).all()
    set_to(pointer, shape(CursorType.MONO, bytes([0b11000000, 0b01000000])))
    assert pointer.over(below)[0].tolist() == [[100, 100, 100], [155, 155, 155], [100, 100, 100]]


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_it_may_reach_over_an_edge(x: int, y: int) -> None:
    pointer = Pointer()
    opaque = struct.pack("<6I", *[0xFF000000 | RED] * 6)
    set_to(pointer, shape(CursorType.ALPHA, opaque, width=3, height=2), x=x, y=y)
    made = pointer.over(np.zeros((4, 5, 3), np.uint8))
    seen = {(int(column), int(line)) for line, column in zip(*np.nonzero(made[:, :, 0]), strict=True)}
    assert seen == {(i, j) for i in range(x - 1, x + 2) for j in range(y, y + 2) if 0 <= i < 5 and 0 <= j < 4}


def test_it_moves_hides_and_is_kept() -> None:
    pointer = Pointer()
    red = shape(CursorType.ALPHA, struct.pack("<II", 0xFF000000 | RED, 0), flags=CursorFlags.CACHE_ME, number=5)
    first = CursorInit(position=Point16(x=3, y=4), trail_length=0, trail_frequency=0, visible=True, cursor=red)
    pointer.handle(CursorServer.INIT, encode(first))
    assert (pointer.position, pointer.visible) == ((3, 4), True)
    pointer.handle(CursorServer.HIDE, encode(Empty()))
    assert not pointer.visible
    pointer.handle(CursorServer.MOVE, encode(CursorMove(position=Point16(x=-1, y=9))))
    assert (pointer.position, pointer.visible) == ((-1, 9), True)
    set_to(pointer, CursorShape(flags=CursorFlags.NONE, header=None, data=b""))
    assert pointer.shape is None
    again = shape(CursorType.ALPHA, b"", flags=CursorFlags.FROM_CACHE, number=5)
    set_to(pointer, again)
    assert pointer.shape is not None
    for message in ((CursorServer.INVAL_ONE, CursorInval(id=5)), (CursorServer.INVAL_ALL, Empty())):
        pointer.handle(message[0], encode(message[1]))
        with pytest.raises(RemoteProtocolError, match="0x5"):
            set_to(pointer, again)
    pointer.handle(CursorServer.RESET, encode(Empty()))
    assert pointer.shape is None
    assert not pointer.handle(CursorServer.TRAIL, b"")


def test_only_so_many_are_kept() -> None:
    pointer = Pointer()
    for number in range(SHAPES_MAX):
        set_to(pointer, shape(CursorType.ALPHA, bytes(8), flags=CursorFlags.CACHE_ME, number=number))
    set_to(pointer, shape(CursorType.ALPHA, bytes(8), flags=CursorFlags.CACHE_ME, number=0))
    with pytest.raises(RemoteProtocolError, match="more than"):
        set_to(pointer, shape(CursorType.ALPHA, bytes(8), flags=CursorFlags.CACHE_ME, number=SHAPES_MAX))


BAD = {
    "no type": shape(7, bytes(99)),
    "no pixels": shape(0, b"", width=0),
    "too many pixels": shape(0, b"", width=0xFFFF, height=0xFFFF),
    "too few bytes": shape(CursorType.ALPHA, bytes(7)),
    "no mask": shape(CursorType.COLOR32, bytes(8)),
    "no palette": shape(CursorType.COLOR8, bytes(2)),
    "no header": CursorShape(flags=CursorFlags.NONE, header=None, data=b""),
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(wrong: CursorShape) -> None:
    with pytest.raises(RemoteProtocolError):
        shape_of(wrong)
