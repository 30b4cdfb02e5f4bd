"""Messages after the link: a header, then a body.

The mini header has six bytes (u16 type, u32 size), the full one eighteen (u64 serial, u16 type, u32 size, u32 offset of
a sub-message list). Which of them a link uses is settled by capabilities (`link.uses_mini_header`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.fields import Buffer

BODY_MAX_BYTES = 16 << 20
"""Larger than any message that spice-server sends (an uncompressed 4K frame goes out in stripes)."""
_MINI = struct.Struct("<HI")
_FULL = struct.Struct("<QHII")


class HeaderKind(Enum):
    """Which header precedes each body; the value is its length in bytes."""

    MINI = _MINI.size
    FULL = _FULL.size


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `body` may point into what was fed: use or copy it before the next `feed`.

    `serial` and `sub_list` are of the full header: where in the body further messages stand, and 0 for none
    (`sub_lists.unfold`).
    """

    type: int
    size: int
    body: memoryview
    serial: int = 0
    sub_list: int = 0


class MessageParser:
    """Bytes in, messages out. A message that lies whole in one feed is not copied."""

    __slots__ = ("_body_max", "_kind", "_part")

    def __init__(self, kind: HeaderKind, *, body_max_bytes: int = BODY_MAX_BYTES) -> None:
        self._kind = kind
        self._body_max = body_max_bytes
        self._part = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes of a message that has not come whole yet."""
        return len(self._part)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Message]:
        """The messages that `data` completes. The iterator must be run to its end before the next feed.

        Raises RemoteProtocolError for a body over the limit, at once when its header is there.
        """
        view = memoryview(data).cast("B")
        while view or self._part:
            size = self._size_of_next(view)
            if size is None:
                self._part += view
                return
            missing = size - len(self._part)
            if missing > len(view):
                self._part += view
                return
            if self._part:
                whole = memoryview(bytes(self._part) + bytes(view[:missing]))
                self._part = bytearray()
            else:
                whole = view[:size]
            view = view[missing:]
            yield self._message(whole)

    def _size_of_next(self, view: memoryview) -> int | None:
        """Header and body of the message at the front, or None while its header is not there."""
        length = self._kind.value
        head = bytes(self._part[:length]) + bytes(view[: max(0, length - len(self._part))])
        if len(head) < length:
            return None
        size = int(_MINI.unpack(head)[1] if self._kind is HeaderKind.MINI else _FULL.unpack(head)[2])
        if size > self._body_max:
            raise RemoteProtocolError(f"A message of {size} bytes is over the limit of {self._body_max}.")
        return length + size

    def _message(self, whole: memoryview) -> Message:
        length = self._kind.value
        if self._kind is HeaderKind.MINI:
            message_type, size = _MINI.unpack(whole[:length])
            return Message(message_type, size, whole[length:])
        serial, message_type, size, sub_list = _FULL.unpack(whole[:length])
        return Message(message_type, size, whole[length:], serial, sub_list)


def encode(kind: HeaderKind, message_type: int, body: Buffer, *, serial: int = 0, sub_list: int = 0) -> bytes:
    """One message with its header. `serial` counts a sender's messages from 1; mini headers have none.

    `sub_list` is where in `body` a `sub_lists.fold` stands; only full headers can say so.
    """
    if not 0 <= message_type <= 0xFFFF:
        raise LocalProtocolError(f"A message type has 16 bits; {message_type} has more.")
    if kind is HeaderKind.MINI:
        if sub_list:
            raise LocalProtocolError("A mini header has no place for a list of messages.")
        return _MINI.pack(message_type, len(body)) + body
    return _FULL.pack(serial, message_type, len(body), sub_list) + body
