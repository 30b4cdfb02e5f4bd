"""Messages inside a message (spice-protocol `protocol.h`, `SpiceSubMessageList`; spice-common `spice.proto`, `list`).

A full header may say where in its body a list of further messages stands: u16 count, then a u32 offset of each one; at
each offset u16 type, u32 size and the body. A client handles them first and the message itself after them, except
`LIST`, which is only their envelope. Mini headers have no such field; there the list is the whole body of a `LIST`.
The envelope counts once in the ACK window, whatever is in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.base_messages import BaseServer
from frazil.spice.cursor import Cursor
from frazil.spice.framing import Message

_SUB_HEADER_BYTES = 6


def unfold(message: Message) -> Iterator[Message]:
    """The messages that a client makes of one, in its order; itself alone when it has no list.

    Raises RemoteProtocolError for a list or a message in it that reaches over the end, and for a list in a list: no
    server makes one, and whoever looks at the messages of the outer one would not see those of the inner one. Bodies
    that overlap would let a few bytes stand for many, so that all of them together may not be longer than the envelope.
    """
    if message.type != BaseServer.LIST and not message.sub_list:
        yield message
        return
    cursor = Cursor(message.body, at=message.sub_list)
    count = cursor.u16()
    left = Cursor(message.body)
    for offset in cursor.u32s(count, limit=0xFFFF):
        sub = cursor.at(offset)
        sub_type, size = sub.u16(), sub.u32()
        left.view(_SUB_HEADER_BYTES + size)
        if sub_type == BaseServer.LIST:
            raise RemoteProtocolError("A list of messages has another list in it.")
        yield Message(sub_type, size, sub.view(size))
    if message.type != BaseServer.LIST:
        yield Message(message.type, message.size, message.body)


def fold(messages: Iterable[tuple[int, bytes]], *, at: int = 0) -> bytes:
    """The list of these types and bodies, to stand `at` bytes from the beginning of a body."""
    packed = [struct.pack("<HI", number, len(body)) + body for number, body in messages]
    if len(packed) > 0xFFFF:
        raise LocalProtocolError("A list has at most 65535 messages.")
    offset = at + 2 + 4 * len(packed)
    offsets = []
    for part in packed:
        offsets.append(offset)
        offset += len(part)
    return struct.pack(f"<H{len(packed)}I", len(packed), *offsets) + b"".join(packed)
