"""Where a native viewer needs a new TLS record to begin.

spice-gtk reads one message, and goes on without waiting only while its *socket* is readable (`spice-channel.c`,
`spice_channel_iterate_read`): a whole message that OpenSSL holds already, because it came in one record with the end of
the message before, lies there until something else comes. spice-server never writes such records. A relay that joins
what comes together does, and a desktop that stands still then shows nothing.

So the last whole message of each piece begins a record of its own: as long as it is unread in the socket, all before it
is read.
"""

from __future__ import annotations

import struct

from frazil.spice.fields import Buffer
from frazil.spice.framing import HeaderKind

_SIZE = struct.Struct("<I")
_SIZE_AT = {HeaderKind.MINI: 2, HeaderKind.FULL: 10}


class RecordBorders:
    """Follows one direction of a link, piece by piece."""

    __slots__ = ("_body_left", "_head", "_header_bytes", "_size_at")

    def __init__(self, kind: HeaderKind) -> None:
        self._header_bytes = kind.value
        self._size_at = _SIZE_AT[kind]
        self._head = b""
        self._body_left = 0

    def border(self, piece: Buffer) -> int:
        """Where in `piece` its last whole message begins; 0 when there is nothing before it, or no such message."""
        border = at = 0
        begun_before = bool(self._head)
        while True:
            begin = 0 if begun_before else at
            if len(self._head) < self._header_bytes:
                taken = piece[at : at + self._header_bytes - len(self._head)]
                self._head += bytes(taken)
                at += len(taken)
                if len(self._head) < self._header_bytes:
                    return border
                (self._body_left,) = _SIZE.unpack_from(self._head, self._size_at)
            if len(piece) - at < self._body_left:
                self._body_left -= len(piece) - at
                return border
            at += self._body_left
            self._body_left = 0
            self._head = b""
            begun_before = False
            border = begin
            if at == len(piece):
                return border
