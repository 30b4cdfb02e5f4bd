"""USB devices by filter: the guest never hears of one that may not pass, and the client is told that it was rejected.

`DATA` is a stream of usbredir packets; what goes on is put into messages of our own. Refusing a device is done as the
guest would do it (`filter_reject`); taking one away, as the client would (`device_disconnect`).
"""

from __future__ import annotations

from collections.abc import Callable

from frazil.gateway.filtering.lane import Verdict
from frazil.gateway.filtering.wires import PassingRules, Wires
from frazil.model.errors import InvalidInput, RemoteProtocolError
from frazil.model.policy import Policy
from frazil.model.usb_filter import UsbDevice, UsbRule, parse, passes
from frazil.spice.capabilities import has
from frazil.spice.fields import Buffer
from frazil.spice.port_channel import StreamMessage
from frazil.spice.records import decode
from frazil.spice.usbredir import (
    DeviceConnect,
    DeviceConnectVersion,
    Hello,
    InterfaceInfo,
    PacketParser,
    PacketType,
    UsbCap,
    UsbPiece,
    pack,
)

_FROM_CLIENT = frozenset(
    {PacketType.HELLO, PacketType.DEVICE_CONNECT, PacketType.DEVICE_DISCONNECT, PacketType.INTERFACE_INFO}
)
_FROM_SERVER = frozenset({PacketType.HELLO, PacketType.DEVICE_DISCONNECT_ACK})
_WITHOUT_DEVICE = frozenset({PacketType.EP_INFO, PacketType.FILTER_FILTER})
"""What a client may say while it shows no device, besides what is looked into."""


_EVERYTHING = "-1,-1,-1,-1,1"
_NOTHING = "-1,-1,-1,-1,0"
_WAITING_MAX = 256
"""Packets of ours that wait for the end of another one; who lets them pile up holds that end back."""


class _Way:
    """One direction: packets are taken apart, and those that go on are put into `DATA` messages again."""

    def __init__(self, whole: frozenset[int], send: Callable[[int, Buffer], None]) -> None:
        self.parser = PacketParser(whole)
        self._send = send
        self._passes = False
        self._inside = False
        self._waiting: list[bytes] = []

    def stream(self, piece: UsbPiece, *, allowed: bool) -> None:
        """A piece of a packet that is not looked into. A packet that has begun goes on, emptied if it must be."""
        if piece.first:
            self._passes = allowed
        if self._passes:
            self._send(StreamMessage.DATA, piece.data if allowed else bytes(len(piece.data)))
        self._inside = self._passes and not piece.last
        self._flush()

    def packet(self, packet_type: int, body: Buffer = b"") -> None:
        """A whole packet, as soon as none is under way."""
        if len(self._waiting) >= _WAITING_MAX:
            raise RemoteProtocolError("A USB packet is held back while others wait behind it.")
        self._waiting.append(pack(packet_type, body, wide_ids=self.parser.wide_ids))
        self._flush()

    def _flush(self) -> None:
        if self._waiting and not self._inside:
            self._send(StreamMessage.DATA, b"".join(self._waiting))
            self._waiting.clear()


class UsbRules(PassingRules):
    """One usbredir link, which carries one device at a time."""

    def __init__(self, policy: Policy, wires: Wires) -> None:
        self._adopt(policy)
        self._to_server = _Way(_FROM_CLIENT, wires.to_server)
        self._to_client = _Way(_FROM_SERVER, wires.to_client)
        self._client_caps: tuple[int, ...] | None = None
        self._guest_caps: tuple[int, ...] | None = None
        self._device: UsbDevice | None = None
        """What the client shows, whether the guest sees it or not."""
        self._interfaces: tuple[tuple[int, int, int], ...] = ()
        self._shown = False
        """Whether the guest sees it."""
        self._told = _EVERYTHING
        self._acks_to_take = 0
        """Answers of the guest to disconnects that were not the client's."""

    def _adopt(self, policy: Policy) -> None:
        self._allowed = policy.usb
        self._texts = policy.usb_filters
        self._filters: tuple[tuple[UsbRule, ...], ...] = tuple(_rules(text) for text in policy.usb_filters)

    def server_verdict(self, number: int, size: int) -> Verdict:
        return _verdict(number)

    def client_verdict(self, number: int, size: int) -> Verdict:
        return _verdict(number)

    def change(self, policy: Policy) -> None:
        self._adopt(policy)
        self._tell_filter()
        self._judge()

    def stream_client(self, piece: memoryview) -> None:
        for packet in self._to_server.parser.feed(piece):
            if packet.type in _FROM_CLIENT:
                self._client_says(packet)
            else:
                harmless = self._device is None and packet.type in _WITHOUT_DEVICE
                self._to_server.stream(packet, allowed=self._shown or harmless)

    def stream_server(self, piece: memoryview) -> None:
        for packet in self._to_client.parser.feed(piece):
            if packet.type in _FROM_SERVER:
                self._guest_says(packet)
            else:
                self._to_client.stream(packet, allowed=self._shown or self._device is None)

    def _client_says(self, packet: UsbPiece) -> None:
        match packet.type:
            case PacketType.HELLO:
                self._to_server.packet(packet.type, packet.data)
                if self._client_caps is None:  # usbredir does not look at a second one.
                    self._client_caps = decode(Hello, packet.data).caps
                    self._know_caps()
                return
            case PacketType.DEVICE_CONNECT:
                if self._device is not None:
                    raise RemoteProtocolError("A USB device was connected while another one is.")
                self._device = self._described(packet.data)
                if not self._may_pass(self._device):
                    self._reject()
                    return
                self._shown = True
            case PacketType.DEVICE_DISCONNECT:
                shown, self._shown, self._device = self._shown, False, None
                if not shown:
                    if self._both(UsbCap.DEVICE_DISCONNECT_ACK):
                        self._to_client.packet(PacketType.DEVICE_DISCONNECT_ACK)
                    return
            case PacketType.INTERFACE_INFO:
                self._interfaces = _interfaces(packet.data)
                if self._device is not None:
                    # Another configuration may show other classes.
                    self._device = UsbDevice(
                        device_class=self._device.device_class,
                        vendor=self._device.vendor,
                        product=self._device.product,
                        version=self._device.version,
                        interfaces=self._interfaces,
                    )
                    self._judge()
                    if not self._shown:
                        return
        self._to_server.packet(packet.type, packet.data)

    def _guest_says(self, packet: UsbPiece) -> None:
        if packet.type == PacketType.DEVICE_DISCONNECT_ACK and self._acks_to_take:
            self._acks_to_take -= 1
            return
        self._to_client.packet(packet.type, packet.data)
        if packet.type == PacketType.HELLO and self._guest_caps is None:
            self._guest_caps = decode(Hello, packet.data).caps
            self._know_caps()

    def _know_caps(self) -> None:
        self._to_client.parser.wide_ids = self._to_server.parser.wide_ids = self._both(UsbCap.WIDE_IDS)
        self._tell_filter()

    def _tell_filter(self) -> None:
        """So that a client does not offer what would be rejected. It can keep one filter only: the first is told."""
        if not self._both(UsbCap.FILTER):
            return
        text = (self._texts or (_EVERYTHING,))[0] if self._allowed else _NOTHING
        if text != self._told:
            self._told = text
            self._to_client.packet(PacketType.FILTER_FILTER, text.encode() + b"\0")

    def _both(self, cap: UsbCap) -> bool:
        return has(self._client_caps or (), cap) and has(self._guest_caps or (), cap)

    def _described(self, body: memoryview) -> UsbDevice:
        version = 0
        if self._both(UsbCap.CONNECT_DEVICE_VERSION):
            whole = decode(DeviceConnectVersion, body)
            device, version = whole.device, whole.version
        else:
            device = decode(DeviceConnect, body)
        return UsbDevice(
            device_class=device.device_class,
            vendor=device.vendor,
            product=device.product,
            version=version,
            interfaces=self._interfaces,
        )

    def _may_pass(self, device: UsbDevice) -> bool:
        return self._allowed and all(passes(rules, device) for rules in self._filters)

    def _judge(self) -> None:
        """Take the device away when it may no longer pass."""
        if self._device is None or not self._shown or self._may_pass(self._device):
            return
        self._shown = False
        if self._both(UsbCap.DEVICE_DISCONNECT_ACK):
            self._acks_to_take += 1
        self._to_server.packet(PacketType.DEVICE_DISCONNECT)
        self._reject()

    def _reject(self) -> None:
        if not self._both(UsbCap.FILTER):
            raise RemoteProtocolError("A USB device may not pass, and the client can't be told so.")
        self._to_client.packet(PacketType.FILTER_REJECT)


def _rules(text: str) -> tuple[UsbRule, ...]:
    """What a newer controller may write and we can't read lets nothing pass: no rule fits."""
    try:
        return parse(text)
    except InvalidInput:
        return ()


def _verdict(number: int) -> Verdict:
    if number == StreamMessage.COMPRESSED_DATA:
        raise RemoteProtocolError("USB came compressed, though neither side was told that it may.")
    return Verdict.STREAM if number == StreamMessage.DATA else Verdict.PASS


def _interfaces(body: memoryview) -> tuple[tuple[int, int, int], ...]:
    info = decode(InterfaceInfo, body)
    if info.count > len(info.interface):
        raise RemoteProtocolError(f"A USB device says that it has {info.count} interfaces.")
    return tuple(
        zip(
            info.interface_class[: info.count],
            info.interface_subclass[: info.count],
            info.interface_protocol[: info.count],
            strict=True,
        )
    )
