"""GLZ pictures: LZ that also refers to earlier pictures of the session (spice-gtk `decode-glz.c`).

The window belongs to the session: all display channels share it, and nothing resets it. Pictures have numbers in the
order in which the server coded them. Each one says how far back the oldest one is that will still be referred to; what
is older is forgotten, once every picture up to here has come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.fields import Buffer
from frazil.spice.pictures import coders
from frazil.spice.pictures.lz import PALETTE_FORMATS, LzType, big32, check_magic, lz_type
from frazil.spice.pictures.matches import copy_back
from frazil.spice.pictures.picture import Picture, check_size, from_bgr, from_rgb555, with_alpha

_TYPE_MASK = 15
_TOP_DOWN = 16
_BGR_BYTES = 3


class MissingPicture(RemoteProtocolError):
    """A picture refers to one that has not come: by another display channel it may still. `number` is whose turn it is.

    The same picture may be given again when that one has come.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"A picture refers to picture {number} of the session, which is not there.")
        self.number = number


@dataclass(frozen=True, slots=True)
class _Header:
    type: LzType
    top_down: bool
    width: int
    height: int
    number: int
    oldest: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A picture that others may refer to, as it was coded: blue, green and red of each pixel, and the alphas."""

    bgr: bytes | bytearray
    alpha: bytes | bytearray | None
    highest: int
    """What stands for the alphas where there are none: 0, or 255 where a message said that all bits are set."""
    oldest: int


class GlzWindow:
    """The pictures that may be referred to. `pixels_max` is what the client named in `DisplayInit`."""

    def __init__(self, pixels_max: int) -> None:
        self._pixels_max = pixels_max
        self._kept: dict[int, _Kept] = {}
        self._pixels = 0
        self._oldest = 0
        self._next = 0

    def __len__(self) -> int:
        return len(self._kept)

    def decode(self, data: Buffer, *, high_bits_set: bool = False) -> Picture:
        """Make a picture and keep it. Raises MissingPicture, and RemoteProtocolError for what can't be right.

        A message may have a second picture that is missing, and is given again: a picture that is kept is made of that.
        """
        cursor = Cursor(data)
        header = _read_header(cursor)
        count = header.width * header.height
        kept = self._kept.get(header.number)
        if kept is None:
            kept = self._unpacked(cursor, header, high_bits_set=high_bits_set)
            self._keep(header, kept)
        elif len(kept.bgr) != count * _BGR_BYTES:
            raise RemoteProtocolError(f"Picture {header.number} of the session comes a second time as another one.")
        bgr, alpha = kept.bgr, kept.alpha
        pixels = from_bgr(bgr, header.width, header.height)
        if alpha is not None:
            pixels = with_alpha(pixels, alpha)
        return Picture(pixels if header.top_down else pixels[::-1], alpha=alpha is not None)

    def _unpacked(self, cursor: Cursor, header: _Header, *, high_bits_set: bool) -> _Kept:
        if header.number < self._oldest:
            raise RemoteProtocolError(f"Picture {header.number} of the session comes when it may be forgotten.")
        if self._pixels + header.width * header.height > 2 * self._pixels_max:
            raise RemoteProtocolError(f"The session's pictures have more than {self._pixels_max} pixels.")
        bgr = self._unpack(cursor, header, _BGR_BYTES)
        alpha = self._unpack(cursor, header, 1) if header.type is LzType.RGBA else None
        return _Kept(bgr, alpha, 255 if high_bits_set else 0, header.oldest)

    def _keep(self, header: _Header, kept: _Kept) -> None:
        self._kept[header.number] = kept
        self._pixels += header.width * header.height
        while self._next in self._kept:
            self._next += 1
        last = self._kept.get(self._next - 1)  # all up to this one have come
        if last is None:
            return
        for number in range(self._oldest, last.oldest):
            forgotten = self._kept.pop(number, None)
            if forgotten is not None:
                self._pixels -= len(forgotten.bgr) // _BGR_BYTES
        self._oldest = max(self._oldest, last.oldest)

    def _unpack(self, cursor: Cursor, header: _Header, plane_bytes: int) -> bytes | bytearray:
        """One plane: colours (three bytes a pixel) or alphas (one)."""
        data = cursor.view(cursor.remaining)
        limit = header.width * header.height * plane_bytes
        narrow = header.type is LzType.RGB16 and plane_bytes == _BGR_BYTES

        def earlier(back: int) -> tuple[bytes | bytearray | None, int, int]:
            return self._earlier(header.number - back, plane_bytes)

        unpack = coders.glz if coders.AVAILABLE else unpack_plainly
        made, read = unpack(data, limit, plane_bytes=plane_bytes, narrow=narrow, earlier=earlier)
        cursor.seek(cursor.position - len(data) + read)
        return made

    def _earlier(self, number: int, plane_bytes: int) -> tuple[bytes | bytearray | None, int, int]:
        """A picture's plane, if it has one, the plane's bytes, and what stands for each of them if it has none."""
        kept = self._kept.get(number)
        if kept is None:
            if number < self._oldest:
                raise RemoteProtocolError(f"A picture refers to picture {number}, which may be forgotten.")
            raise MissingPicture(number)
        plane = kept.bgr if plane_bytes == _BGR_BYTES else kept.alpha
        return plane, len(kept.bgr) // _BGR_BYTES * plane_bytes, kept.highest


def unpack_plainly(
    data: Buffer,
    limit: int,
    *,
    plane_bytes: int,
    narrow: bool,
    earlier: Callable[[int], tuple[bytes | bytearray | None, int, int]],
) -> tuple[bytearray, int]:
    """The readable twin of what the compiled module does (`coders.glz`).

    `narrow`: the plane's three bytes come from two. A control byte under 32 announces so many pixels and one more, as
    they are; any other one a reference: three bits of its length, whether its offset is a long one, and four bits of
    the offset. Then come the rest of the length, eight bits of the offset, and a byte of which the upper two bits say
    how many bytes follow for how many pictures back it is; with a short offset its other bits begin that number.
    """
    coded_bytes = 2 if narrow else plane_bytes
    fewest = {3: 0, 2: 1, 1: 2}[coded_bytes]
    out = bytearray()
    at = 0
    try:
        while len(out) < limit:
            control = data[at]
            at += 1
            if control < 32:
                size = (control + 1) * coded_bytes
                if len(out) + (control + 1) * plane_bytes > limit or at + size > len(data):
                    raise RemoteProtocolError("A GLZ picture has more pixels than its size says, or is cut off.")
                out += _widen(data[at : at + size]) if narrow else data[at : at + size]
                at += size
                continue
            length = control >> 5
            if length == 7:
                more = 255
                while more == 255:
                    more = data[at]
                    at += 1
                    length += more
            offset = control & 15 | data[at] << 4
            code = data[at + 1]
            at += 2
            if control & 16:
                offset |= (code & 31) << 12
                back, shift = 0, 0
            else:
                back, shift = code & 63, 6
            for index in range(code >> 6):
                back |= data[at] << shift + 8 * index
                at += 1
            if control & 16 and code & 32:
                offset |= data[at] << 17
                at += 1
            size = (length + fewest) * plane_bytes
            if len(out) + size > limit:
                raise RemoteProtocolError("A GLZ picture has more pixels than its size says.")
            if back:
                out += _part(earlier(back), offset * plane_bytes, size)
            else:
                copy_back(out, (offset + 1) * plane_bytes, size, limit=limit)
    except IndexError as exc:
        raise RemoteProtocolError("A GLZ picture is cut off.") from exc
    return out, at


def _part(plane: tuple[bytes | bytearray | None, int, int], start: int, size: int) -> bytes | bytearray:
    there, plane_bytes, highest = plane
    if start + size > plane_bytes:
        raise RemoteProtocolError("A picture refers to pixels that an earlier one does not have.")
    return bytes([highest]) * size if there is None else there[start : start + size]


def _read_header(cursor: Cursor) -> _Header:
    check_magic(cursor)
    kind = cursor.u8()
    width, height, _stride, high, low, back = (big32(cursor) for _ in range(6))
    check_size(width, height)
    number = high << 32 | low
    header = _Header(lz_type(kind & _TYPE_MASK), kind & _TOP_DOWN != 0, width, height, number, max(0, number - back))
    if header.type in PALETTE_FORMATS or header.type in (LzType.XXXA, LzType.A8):
        raise RemoteProtocolError(f"A GLZ picture has type {header.type.name}, which no server sends.")
    return header


def _widen(coded: Buffer) -> bytes:
    """Big-endian x1r5g5b5 to blue, green and red."""
    wide = from_rgb555(np.frombuffer(coded, ">u2").astype(np.uint16))
    return wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
