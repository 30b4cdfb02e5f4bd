"""USB redirection's packets, as the `DATA` of a usbredir channel carries them (usbredir's `usbredirproto.h`).

The client has the device and is called the host; the guest's end is QEMU. A packet has a header of u32 type, u32 length
and an id, which has 64 bits once both have said hello with that capability and 32 before; then `length` bytes. Packets
and `DATA` messages do not begin together: it is a stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from frazil.model.errors import RemoteProtocolError
from frazil.spice.fields import U8, U16, U32, Buffer, Octets, U32sToEnd
from frazil.spice.records import record

PACKET_MAX_BYTES = 16 << 20
WHOLE_MAX_BYTES = 16 << 10
"""Of a packet that is looked into. The largest is a filter; a hello has 64 bytes and some words."""


class PacketType(IntEnum):
    """`usb_redir_*`: those that matter to who may use a device."""

    HELLO = 0
    DEVICE_CONNECT = 1
    DEVICE_DISCONNECT = 2
    INTERFACE_INFO = 4
    EP_INFO = 5
    FILTER_REJECT = 22
    FILTER_FILTER = 23
    DEVICE_DISCONNECT_ACK = 24


class UsbCap(IntEnum):
    """`usb_redir_cap_*`."""

    BULK_STREAMS = 0
    CONNECT_DEVICE_VERSION = 1
    FILTER = 2
    DEVICE_DISCONNECT_ACK = 3
    EP_INFO_MAX_PACKET_SIZE = 4
    WIDE_IDS = 5
    WIDE_BULK_LENGTH = 6
    BULK_RECEIVING = 7


@record
class Hello:
    """The first packet of each side. `caps` are words of `UsbCap` bits."""

    version: Annotated[Buffer, Octets(64)]
    caps: U32sToEnd


@record
class DeviceConnect:
    """What device there is. When both sides can say its version it is a `DeviceConnectVersion`."""

    speed: U8
    device_class: U8
    device_subclass: U8
    device_protocol: U8
    vendor: U16
    product: U16


@record
class DeviceConnectVersion:
    """`DeviceConnect` with the device's version."""

    device: DeviceConnect
    version: U16


@record
class InterfaceInfo:
    """The interfaces of the chosen configuration; the first `count` of 32 are meant."""

    count: U32
    interface: Annotated[Buffer, Octets(32)]
    interface_class: Annotated[Buffer, Octets(32)]
    interface_subclass: Annotated[Buffer, Octets(32)]
    interface_protocol: Annotated[Buffer, Octets(32)]


@dataclass(frozen=True, slots=True)
class UsbPiece:
    """Bytes of one packet: of a streamed one as they come (the first is the header), of the others the whole body."""

    type: int
    data: memoryview
    first: bool
    last: bool


_HEADER = struct.Struct("<II")


def pack(packet_type: int, body: Buffer = b"", *, wide_ids: bool) -> bytes:
    """A packet with the id 0."""
    return _HEADER.pack(packet_type, len(body)) + bytes(8 if wide_ids else 4) + body


class PacketParser:
    """One direction. Packets of `whole` types come whole, the others as a stream that nothing is kept of.

    `wide_ids` is to be set when both hellos are known; it holds from the next header on.
    """

    __slots__ = ("_body", "_head", "_left", "_type", "_whole", "wide_ids")

    def __init__(self, whole: frozenset[int]) -> None:
        self._whole = whole
        self._head = bytearray()
        self._body = bytearray()
        self._type = 0
        self._left = 0
        self.wide_ids = False

    def feed(self, data: memoryview) -> Iterator[UsbPiece]:
        """Run it to its end before the next feed. Raises RemoteProtocolError."""
        at = 0
        while at < len(data):
            if self._left:
                part = data[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                if self._type not in self._whole:
                    yield UsbPiece(self._type, part, False, not self._left)
                    continue
                self._body += part
                if not self._left:
                    yield self._whole_packet()
                continue
            header_bytes = 16 if self.wide_ids else 12
            part = data[at : at + header_bytes - len(self._head)]
            at += len(part)
            self._head += part
            if len(self._head) == header_bytes:
                yield from self._begin()

    def _begin(self) -> Iterator[UsbPiece]:
        header = memoryview(bytes(self._head))
        self._head.clear()
        self._type, self._left = _HEADER.unpack_from(header)
        if self._left > (WHOLE_MAX_BYTES if self._type in self._whole else PACKET_MAX_BYTES):
            raise RemoteProtocolError(f"A USB packet of type {self._type} has {self._left} bytes, which is too many.")
        if self._type not in self._whole:
            yield UsbPiece(self._type, header, True, not self._left)
        elif not self._left:
            yield self._whole_packet()

    def _whole_packet(self) -> UsbPiece:
        body = memoryview(bytes(self._body))
        self._body.clear()
        return UsbPiece(self._type, body, True, True)
