"""The kinds of field that SPICE messages are made of; `records` puts them together.

A message is declared as a class whose annotations are the aliases at the end of this file (`U32`, `Rest`, …), other
records, or `Annotated[<what callers see>, <kind>]`. All numbers are little-endian. Whatever a peer can send wrong is a
`RemoteProtocolError`; a value of ours that does not fit its field is a `LocalProtocolError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.cursor import Cursor

TYPE_NAMES = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "b": "i8", "h": "i16", "i": "i32", "q": "i64"}

Buffer = bytes | memoryview
"""What a peer's bytes are read as: a view into the message, good until its buffer is used again."""


class Writer:
    """A message that grows. What stands at an offset is written behind everything else, in the order it was met."""

    __slots__ = ("_later", "data")

    def __init__(self) -> None:
        self.data = bytearray()
        self._later: list[tuple[int, Callable[[], None]]] = []

    def at_offset(self, write: Callable[[], None]) -> None:
        """Leave four bytes here for the offset of what `write` will append."""
        self._later.append((len(self.data), write))
        self.data += b"\0\0\0\0"

    def finish(self) -> bytes:
        """Append what stands at offsets, and fill the offsets in."""
        for place, write in self._later:  # Grows while it runs: what is pointed to may point on.
            struct.pack_into("<I", self.data, place, len(self.data))
            write()
        return bytes(self.data)


class Kind(Protocol):
    """How one field is read and written. `before` has the fields of the same record that come earlier."""

    least_bytes: int
    """The fewest bytes that the field takes: what a count is checked against before anything is allocated."""

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> Any: ...

    def write(self, out: Writer, value: Any) -> None: ...


class Number:
    """An integer. `code` is the letter of `struct`."""

    __slots__ = ("_struct", "code", "least_bytes")

    def __init__(self, code: str) -> None:
        self.code = code
        self._struct = struct.Struct("<" + code)
        self.least_bytes = self._struct.size

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> int:
        return int(self._struct.unpack(cursor.view(self.least_bytes))[0])

    def write(self, out: Writer, value: int) -> None:
        try:
            out.data += self._struct.pack(value)
        except struct.error as exc:
            raise LocalProtocolError(f"{value} does not fit a {TYPE_NAMES[self.code]}.") from exc


class Truth(Number):
    """A number that only says yes or no."""

    __slots__ = ()

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> bool:
        return super().read(cursor, before) != 0


class Octets:
    """A fixed number of bytes."""

    __slots__ = ("least_bytes",)

    def __init__(self, size: int) -> None:
        self.least_bytes = size

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> memoryview:
        return cursor.view(self.least_bytes)

    def write(self, out: Writer, value: Buffer) -> None:
        if len(value) != self.least_bytes:
            raise LocalProtocolError(f"A field has {self.least_bytes} bytes, not {len(value)}.")
        out.data += value


class OctetsToEnd:
    """All that is left of the message."""

    __slots__ = ()
    least_bytes = 0

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> memoryview:
        return cursor.view(cursor.remaining)

    def write(self, out: Writer, value: Buffer) -> None:
        out.data += value


class CountedOctets:
    """A number, and as many bytes right behind it."""

    __slots__ = ("_count", "least_bytes")

    def __init__(self, count: Number) -> None:
        self._count = count
        self.least_bytes = count.least_bytes

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> memoryview:
        return cursor.view(self._count.read(cursor, before))

    def write(self, out: Writer, value: Buffer) -> None:
        self._count.write(out, len(value))
        out.data += value


class OctetsAtOffset:
    """A u32 size and a u32 offset into the message, where the bytes stand (`@marshall` pointers of spice.proto)."""

    __slots__ = ()
    least_bytes = 8

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> memoryview:
        size, offset = cursor.u32(), cursor.u32()
        return cursor.at(offset).view(size) if size else memoryview(b"")

    def write(self, out: Writer, value: Buffer) -> None:
        out.data += struct.pack("<I", len(value))
        out.at_offset(lambda: OctetsToEnd().write(out, value))


class AtOffset:
    """A u32 offset into the message, where a value of the inner kind stands; 0 is None."""

    __slots__ = ("_inner",)
    least_bytes = 4

    def __init__(self, inner: Kind) -> None:
        self._inner = inner

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> Any:
        offset = cursor.u32()
        return self._inner.read(cursor.at(offset), before) if offset else None

    def write(self, out: Writer, value: Any) -> None:
        if value is None:
            out.data += b"\0\0\0\0"
        else:
            out.at_offset(lambda: self._inner.write(out, value))


class DueAtOffset(AtOffset):
    """The same where a value must stand (`@nonnull` of spice.proto): 0 is the peer's fault."""

    __slots__ = ()

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> Any:
        value = super().read(cursor, before)
        if value is None:
            raise RemoteProtocolError("A message has no offset where one is due.")
        return value

    def write(self, out: Writer, value: Any) -> None:
        if value is None:
            raise LocalProtocolError("A value is due at an offset.")
        super().write(out, value)


class _Array:
    """What arrays have in common: reading and writing the items."""

    __slots__ = ("_item",)
    least_bytes = 0

    def __init__(self, item: Kind) -> None:
        self._item = item

    def _read(self, cursor: Cursor, count: int) -> tuple[Any, ...]:
        if count * max(self._item.least_bytes, 1) > cursor.remaining:
            raise RemoteProtocolError(f"A message names {count} items and has bytes for fewer.")
        if type(self._item) is Number:
            return struct.unpack(f"<{count}{self._item.code}", cursor.view(count * self._item.least_bytes))
        return tuple(self._item.read(cursor, {}) for _ in range(count))

    def write(self, out: Writer, value: tuple[Any, ...]) -> None:
        for item in value:
            self._item.write(out, item)


class CountedArray(_Array):
    """A number, and as many items right behind it."""

    __slots__ = ("_count", "least_bytes")

    def __init__(self, count: Number, item: Kind) -> None:
        super().__init__(item)
        self._count = count
        self.least_bytes = count.least_bytes

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> tuple[Any, ...]:
        return self._read(cursor, self._count.read(cursor, before))

    def write(self, out: Writer, value: tuple[Any, ...]) -> None:
        self._count.write(out, len(value))
        super().write(out, value)


class ArrayCountedBy(_Array):
    """As many items as an earlier field of the record says; `records` checks on encoding that they agree."""

    __slots__ = ("field",)

    def __init__(self, field: str, item: Kind) -> None:
        super().__init__(item)
        self.field = field

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> tuple[Any, ...]:
        return self._read(cursor, before[self.field])


class FixedArray(_Array):
    """So many items."""

    __slots__ = ("_count", "least_bytes")

    def __init__(self, count: int, item: Kind) -> None:
        super().__init__(item)
        self._count = count
        self.least_bytes = count * item.least_bytes

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> tuple[Any, ...]:
        return self._read(cursor, self._count)

    def write(self, out: Writer, value: tuple[Any, ...]) -> None:
        if len(value) != self._count:
            raise LocalProtocolError(f"A field has {self._count} items, not {len(value)}.")
        super().write(out, value)


class ArrayToEnd(_Array):
    """Items up to the end of the message; bytes that make no whole item are not looked at, as in the C headers."""

    __slots__ = ()

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> tuple[Any, ...]:
        return self._read(cursor, cursor.remaining // self._item.least_bytes)


_U8, _U16, _U32 = Number("B"), Number("H"), Number("I")

U8 = Annotated[int, _U8]
U16 = Annotated[int, _U16]
U32 = Annotated[int, _U32]
U64 = Annotated[int, Number("Q")]
I16 = Annotated[int, Number("h")]
I32 = Annotated[int, Number("i")]
I64 = Annotated[int, Number("q")]
Bool8 = Annotated[bool, Truth("B")]
Bool32 = Annotated[bool, Truth("I")]
Rest = Annotated[Buffer, OctetsToEnd()]
Counted32 = Annotated[Buffer, CountedOctets(_U32)]
SizedAtOffset = Annotated[Buffer, OctetsAtOffset()]
U16sCounted8 = Annotated[tuple[int, ...], CountedArray(_U8, _U16)]
U32sToEnd = Annotated[tuple[int, ...], ArrayToEnd(_U32)]
