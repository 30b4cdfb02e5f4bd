"""The pointer: its shapes, where it is, and how it looks over a picture (spice-gtk `channel-cursor.c`).

Shapes of all kinds but `ALPHA` have a mask: where it is set, the picture below is seen, and inverted where the shape is
white.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError
from frazil.spice.base_messages import Empty
from frazil.spice.canvas.area import PixelMask
from frazil.spice.cursor import Cursor
from frazil.spice.cursor_channel import (
    CURSOR_FROM_SERVER,
    CursorFlags,
    CursorInit,
    CursorInval,
    CursorMove,
    CursorServer,
    CursorSet,
    CursorShape,
    CursorType,
)
from frazil.spice.fields import Buffer
from frazil.spice.geometry_records import Point16
from frazil.spice.pictures.picture import Picture, Pixels, from_bgr, from_rgb555

SHAPE_MAX_PIXELS = 1 << 20
"""A pointer of 1024 by 1024 pixels: far more than any desktop's."""
SHAPES_MAX = 256
"""What spice-server lets a client keep (`CLIENT_CURSOR_CACHE_SIZE`)."""
_WHITE = np.uint32(0x00FFFFFF)
_OPAQUE = np.uint32(0xFF000000)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is seen: a picture with alpha, and pixels of which the opposite of what is below is seen."""

    picture: Picture
    inverted: PixelMask
    hot_x: int
    hot_y: int


class Pointer:
    """What the cursor channel has said so far. `position` is that of the hot spot, in the primary surface's pixels."""

    def __init__(self) -> None:
        self.position = (0, 0)
        self.visible = False
        self.shape: Shape | None = None
        self._shapes: dict[int, Shape] = {}
        self._handlers: dict[int, Callable[[Any], None]] = {
            CursorServer.INIT: self._init,
            CursorServer.RESET: self._reset,
            CursorServer.SET: self._set,
            CursorServer.MOVE: self._move,
            CursorServer.HIDE: self._hide,
            CursorServer.INVAL_ONE: self._forget,
            CursorServer.INVAL_ALL: self._forget_all,
        }

    def handle(self, number: int, body: Buffer) -> bool:
        """Do what a message of the cursor channel says; False for one that is not about the pointer."""
        handler = self._handlers.get(number)
        if handler is None:
            return False
        handler(CURSOR_FROM_SERVER.decode(number, body))
        return True

    def over(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A copy of a picture (height × width × 3) with the pointer on it."""
        made = rgb.copy()
        if self.shape is None or not self.visible:
            return made
        left, top = self.position[0] - self.shape.hot_x, self.position[1] - self.shape.hot_y
        pixels, inverted = self.shape.picture.pixels, self.shape.inverted
        height, width = pixels.shape
        lines = slice(max(0, -top), max(0, min(height, rgb.shape[0] - top)))
        columns = slice(max(0, -left), max(0, min(width, rgb.shape[1] - left)))
        pixels, inverted = pixels[lines, columns], inverted[lines, columns]
        if not pixels.size:
            return made
        part = made[lines.start + top : lines.stop + top, columns.start + left : columns.stop + left]
        channels = np.ascontiguousarray(pixels).astype("<u4").view(np.uint8).reshape(*pixels.shape, 4)
        rest = 255 - channels[:, :, 3:].astype(np.uint16)
        below = np.where(inverted[:, :, None], 255 - part, part)
        part[:] = np.minimum(channels[:, :, 2::-1] + (below * rest + 127) // 255, 255).astype(np.uint8)
        return made

    def _init(self, message: CursorInit) -> None:
        self._reset(Empty())
        self._take(message.position, message.visible, message.cursor)

    def _set(self, message: CursorSet) -> None:
        self._take(message.position, message.visible, message.cursor)

    def _take(self, position: Point16, visible: bool, cursor: CursorShape) -> None:
        self.position = (position.x, position.y)
        self.visible = visible
        if cursor.header is None:
            self.shape = None
            return
        number = cursor.header.unique
        if cursor.flags & CursorFlags.FROM_CACHE:
            if number not in self._shapes:
                raise RemoteProtocolError(f"A message names pointer {number:#x}, which is not in the cache.")
            self.shape = self._shapes[number]
            return
        self.shape = shape_of(cursor)
        if cursor.flags & CursorFlags.CACHE_ME:
            if len(self._shapes) >= SHAPES_MAX and number not in self._shapes:
                raise RemoteProtocolError(f"The server lets more than {SHAPES_MAX} pointers be kept.")
            self._shapes[number] = self.shape

    def _move(self, message: CursorMove) -> None:
        self.position = (message.position.x, message.position.y)
        self.visible = True

    def _hide(self, _message: Empty) -> None:
        self.visible = False

    def _reset(self, _message: Empty) -> None:
        self.visible = False
        self.shape = None
        self._shapes.clear()

    def _forget(self, message: CursorInval) -> None:
        self._shapes.pop(message.id, None)

    def _forget_all(self, _message: Empty) -> None:
        self._shapes.clear()


def shape_of(cursor: CursorShape) -> Shape:
    """The shape that a message brings with it. Raises RemoteProtocolError for too few bytes or too many pixels."""
    header = cursor.header
    if header is None:
        raise RemoteProtocolError("A pointer without a header has no shape.")
    width, height = header.width, header.height
    if not width or not height or width * height > SHAPE_MAX_PIXELS:
        raise RemoteProtocolError(f"A pointer of {width} by {height} pixels is none that we show.")
    try:
        kind = CursorType(header.type)
    except ValueError as exc:
        raise RemoteProtocolError(f"A pointer has type {header.type}, which is none.") from exc
    data = Cursor(cursor.data)
    if kind is CursorType.ALPHA:
        pixels = np.frombuffer(data.view(4 * width * height), "<u4").reshape(height, width)
        return Shape(Picture(pixels, alpha=True), np.zeros((height, width), np.bool_), *_hot(cursor))
    if kind is CursorType.MONO:
        line = (width + 7) // 8
        hidden, white = (_bits(data.view(line * height), line, width) for _ in range(2))
        colors = np.where(white, _WHITE, np.uint32(0)).astype(np.uint32)
    else:
        colors = _colors(data, kind, width, height)
        size = (width * height + 7) // 8  # its lines begin within bytes
        hidden = _bits(data.view(size), size, width * height).reshape(height, width)
    inverted = hidden & (colors == _WHITE)
    return Shape(Picture(np.where(hidden, np.uint32(0), colors | _OPAQUE), alpha=True), inverted, *_hot(cursor))


def _hot(cursor: CursorShape) -> tuple[int, int]:
    return (cursor.header.hot_spot_x, cursor.header.hot_spot_y) if cursor.header else (0, 0)


def _bits(data: Buffer, line: int, width: int) -> PixelMask:
    lines = np.frombuffer(data, np.uint8).reshape(-1, line)
    return np.unpackbits(lines, axis=1, count=width).astype(np.bool_)


def _colors(data: Cursor, kind: CursorType, width: int, height: int) -> Pixels:
    """0x00RRGGBB; palettes of 16 and 256 colours stand behind the indexes."""
    count = width * height
    match kind:
        case CursorType.COLOR4:
            packed = np.frombuffer(data.view((width + 1) // 2 * height), np.uint8)
            indexes = np.stack((packed >> 4, packed & 15), axis=1).reshape(-1)[:count].reshape(height, width)
            return _palette(data, 16)[indexes]
        case CursorType.COLOR8:
            indexes = np.frombuffer(data.view(count), np.uint8).reshape(height, width)
            return _palette(data, 256)[indexes]
        case CursorType.COLOR16:
            return from_rgb555(np.frombuffer(data.view(2 * count), "<u2").reshape(height, width))
        case CursorType.COLOR24:
            return from_bgr(bytes(data.view(3 * count)), width, height)
        case _:
            return np.frombuffer(data.view(4 * count), "<u4").reshape(height, width) & _WHITE


def _palette(data: Cursor, count: int) -> Pixels:
    return np.array(struct.unpack(f"<{count}I", data.view(4 * count)), np.uint32) & _WHITE
