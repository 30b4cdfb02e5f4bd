"""Byte streams: USB redirection, ports and shared folders (spice-common `spice.proto`, `SpicevmcChannel` and heirs).

`COMPRESSED_DATA` is of newer protocol versions: u8 compression type, u32 size of the whole, then LZ4.
"""

from __future__ import annotations

from enum import IntEnum

from frazil.spice.base_messages import BASE_FROM_CLIENT, BASE_FROM_SERVER, Data
from frazil.spice.fields import U8, U32, Bool8, Rest, SizedAtOffset
from frazil.spice.records import record
from frazil.spice.tables import MessageTable

CAP_COMPRESSION_LZ4 = 0
"""`SPICE_SPICEVMC_CAP_DATA_COMPRESS_LZ4`: whether `COMPRESSED_DATA` may be sent to whoever says this."""


class StreamMessage(IntEnum):
    """Both ways, on all of these channels."""

    DATA = 101
    COMPRESSED_DATA = 102


class PortMessage(IntEnum):
    """On ports and shared folders: INIT from the server only, EVENT both ways."""

    INIT = 201
    EVENT = 202


class PortClient(IntEnum):
    """Client to server."""

    EVENT = 201


class PortEvent(IntEnum):
    """What happened to a port."""

    OPENED = 0
    CLOSED = 1
    BREAK = 2


@record
class CompressedData:
    """`type` is 0 for none and 1 for LZ4; a body of type 0 has no size and is not sent."""

    type: U8
    whole_bytes: U32
    data: Rest


@record
class PortInit:
    """The port's name, with a closing NUL, and whether the guest has it open."""

    name: SizedAtOffset
    opened: Bool8


@record
class PortEventMessage:
    """A `PortEvent`."""

    event: U8


_STREAM = MessageTable({StreamMessage.DATA: Data, StreamMessage.COMPRESSED_DATA: CompressedData})
STREAM_FROM_SERVER = BASE_FROM_SERVER | _STREAM
STREAM_FROM_CLIENT = BASE_FROM_CLIENT | _STREAM
PORT_FROM_SERVER = STREAM_FROM_SERVER | MessageTable({PortMessage.INIT: PortInit, PortMessage.EVENT: PortEventMessage})
PORT_FROM_CLIENT = STREAM_FROM_CLIENT | MessageTable({PortClient.EVENT: PortEventMessage})
