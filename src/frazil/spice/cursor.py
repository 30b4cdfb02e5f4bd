"""A little-endian reading cursor with bounds checks.

Everything that a peer sent is read through here, so that a short or crafted message is a `RemoteProtocolError`, never
an `IndexError` or a read past a field.
"""

from __future__ import annotations

import struct

from frazil.model.errors import RemoteProtocolError

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class Cursor:
    """Reads fields one after another from `data`. Slices are views: nothing is copied until asked for."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes | bytearray | memoryview, *, at: int = 0) -> None:
        self._data = memoryview(data).cast("B")
        self._at = 0
        self.seek(at)

    @property
    def position(self) -> int:
        """Bytes from the beginning."""
        return self._at

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def seek(self, at: int) -> None:
        """Go to `at` bytes from the beginning; the end itself is allowed."""
        if not 0 <= at <= len(self._data):
            raise RemoteProtocolError(f"An offset of {at} points outside a message of {len(self._data)} bytes.")
        self._at = at

    def at(self, at: int) -> Cursor:
        """Another cursor over the same message."""
        return Cursor(self._data, at=at)

    def view(self, size: int) -> memoryview:
        """The next `size` bytes, as a view."""
        if size < 0 or size > self.remaining:
            raise RemoteProtocolError(f"A message ends after {self.remaining} bytes where {size} are due.")
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def u8(self) -> int:
        return self.view(1)[0]

    def u16(self) -> int:
        return int(_U16.unpack(self.view(2))[0])

    def u32(self) -> int:
        return int(_U32.unpack(self.view(4))[0])

    def u64(self) -> int:
        return int(_U64.unpack(self.view(8))[0])

    def u32s(self, count: int, *, limit: int) -> tuple[int, ...]:
        """`count` words. The bound is checked before anything is allocated for them."""
        if count > limit:
            raise RemoteProtocolError(f"A message names {count} words where at most {limit} are allowed.")
        return struct.unpack(f"<{count}I", self.view(4 * count))

    def check_end(self) -> None:
        """Nothing may be left over."""
        if self.remaining:
            raise RemoteProtocolError(f"A message has {self.remaining} bytes more than its fields.")
