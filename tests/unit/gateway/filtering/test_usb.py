"""USB devices by filter: the client has the device, the guest is to see it or not."""

from __future__ import annotations

import pytest

from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import Policy
from frazil.spice.capabilities import words_of
from frazil.spice.channels import ChannelType
from frazil.spice.port_channel import StreamMessage
from frazil.spice.records import encode
from frazil.spice.usbredir import (
    DeviceConnect,
    DeviceConnectVersion,
    Hello,
    InterfaceInfo,
    PacketParser,
    PacketType,
    UsbCap,
    pack,
)
from tests.unit.gateway.filtering.peers import Line

NO_STORAGE = "0x08,-1,-1,-1,0|-1,-1,-1,-1,1"
STORAGE, KEYBOARD = (0x08, 0x06, 0x50), (0x03, 0x01, 0x01)
CONTROL, BULK = 100, 101
ALL = words_of(range(8))


class UsbLine(Line):
    """A usbredir link; packets are told by type and body."""

    def __init__(self, policy: Policy, *, client_caps: tuple[int, ...] = ALL, cut: int = 1 << 20) -> None:
        super().__init__(policy, channel=ChannelType.USBREDIR)
        self.cut = cut
        self.wide = False
        self.set_ack(4)
        self.from_guest(PacketType.HELLO, encode(Hello(version=b"guest".ljust(64, b"\0"), caps=ALL)))
        self.from_host(PacketType.HELLO, encode(Hello(version=b"client".ljust(64, b"\0"), caps=client_caps)))
        self.wide = bool(client_caps and client_caps[0] >> UsbCap.WIDE_IDS & 1)

    def from_guest(self, packet: int, body: bytes = b"") -> None:
        for part in self._cut(pack(packet, body, wide_ids=self.wide)):
            self.from_server(StreamMessage.DATA, part)

    def from_host(self, packet: int, body: bytes = b"") -> None:
        for part in self._cut(pack(packet, body, wide_ids=self.wide)):
            self.from_client(StreamMessage.DATA, part)

    def _cut(self, packet: bytes) -> list[bytes]:
        return [packet[at : at + self.cut] for at in range(0, len(packet), self.cut)]

    def connect(self, *interfaces: tuple[int, int, int], device_class: int = 0) -> None:
        columns = [bytes(column).ljust(32, b"\0") for column in zip(*interfaces, strict=True)]
        info = InterfaceInfo(
            count=len(interfaces),
            interface=bytes(32),
            interface_class=columns[0],
            interface_subclass=columns[1],
            interface_protocol=columns[2],
        )
        self.from_host(PacketType.INTERFACE_INFO, encode(info))
        device = DeviceConnect(
            speed=2, device_class=device_class, device_subclass=0, device_protocol=0, vendor=0x46D, product=0xC52B
        )
        self.from_host(PacketType.DEVICE_CONNECT, encode(DeviceConnectVersion(device=device, version=0x100)))

    def guest_saw(self) -> list[tuple[int, bytes]]:
        return self._packets(self.server)

    def host_saw(self) -> list[tuple[int, bytes]]:
        return self._packets(self.client)

    def _packets(self, messages: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        parser = PacketParser(frozenset(range(200)))
        stream = b"".join(body for _, body in messages)
        seen = []
        hello_bytes = 12 + 64 + 4 * ((int.from_bytes(stream[4:8], "little") - 64) // 4)
        for part in (stream[:hello_bytes], stream[hello_bytes:]):
            seen += [(piece.type, bytes(piece.data)) for piece in parser.feed(memoryview(part))]
            parser.wide_ids = self.wide
        return seen


def kinds(packets: list[tuple[int, bytes]]) -> list[int]:
    return [kind for kind, _ in packets]


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_a_device_that_may_pass_is_used(cut: int) -> None:
    line = UsbLine(Policy(usb_filters=(NO_STORAGE,)), cut=cut)
    line.connect(KEYBOARD)
    line.from_guest(CONTROL, b"0123456789")
    line.from_host(BULK, b"x" * 5000)
    line.from_host(PacketType.DEVICE_DISCONNECT)
    line.from_guest(PacketType.DEVICE_DISCONNECT_ACK)
    assert kinds(line.guest_saw()) == [
        PacketType.HELLO,
        PacketType.INTERFACE_INFO,
        PacketType.DEVICE_CONNECT,
        BULK,
        PacketType.DEVICE_DISCONNECT,
    ]
    assert line.guest_saw()[3] == (BULK, b"x" * 5000)
    assert line.host_saw()[1:] == [
        (PacketType.FILTER_FILTER, NO_STORAGE.encode() + b"\0"),
        (CONTROL, b"0123456789"),
        (PacketType.DEVICE_DISCONNECT_ACK, b""),
    ]


@pytest.mark.parametrize("cut", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    "policy",
    [
        Policy(usb_filters=(NO_STORAGE,)),
        Policy(usb=False),
        Policy(usb_filters=("-1,-1,-1,-1,1", NO_STORAGE)),
        Policy(usb_filters=("not a rule",)),
    ],
)
def test_one_that_may_not_is_rejected_and_the_guest_never_hears_of_it(policy: Policy, cut: int) -> None:
    line = UsbLine(policy, cut=cut)
    for _ in range(50):
        line.connect(KEYBOARD, STORAGE)
        line.from_host(BULK, b"secret" * 100)
        line.from_host(PacketType.DEVICE_DISCONNECT)
    assert set(kinds(line.guest_saw())) == {PacketType.HELLO, PacketType.INTERFACE_INFO}
    answers = [kind for kind in kinds(line.host_saw()) if kind not in (PacketType.HELLO, PacketType.FILTER_FILTER)]
    assert answers == [PacketType.FILTER_REJECT, PacketType.DEVICE_DISCONNECT_ACK] * 50


def test_a_device_that_turns_into_another_one_is_taken_away() -> None:
    line = UsbLine(Policy(usb_filters=(NO_STORAGE,)))
    line.connect(KEYBOARD)
    info = InterfaceInfo(
        count=1,
        interface=bytes(32),
        interface_class=b"\x08" + bytes(31),
        interface_subclass=bytes(32),
        interface_protocol=bytes(32),
    )
    line.from_host(PacketType.INTERFACE_INFO, encode(info))
    line.from_host(BULK, b"secret")
    assert kinds(line.guest_saw())[-1] == PacketType.DEVICE_DISCONNECT
    assert kinds(line.host_saw())[-1] == PacketType.FILTER_REJECT


def test_a_policy_that_changes_takes_the_device_away() -> None:
    line = UsbLine(Policy())
    line.connect(STORAGE)
    line.change(Policy(usb=False))
    # The guest answers a disconnect that the client does not know of, and asks on for what is gone.
    line.from_guest(CONTROL, b"0123456789")
    line.from_guest(PacketType.DEVICE_DISCONNECT_ACK)
    line.from_host(BULK, b"secret")
    line.from_host(PacketType.DEVICE_DISCONNECT)
    assert kinds(line.guest_saw())[2:] == [PacketType.DEVICE_CONNECT, PacketType.DEVICE_DISCONNECT]
    assert line.host_saw()[1:] == [
        (PacketType.FILTER_FILTER, b"-1,-1,-1,-1,0\0"),
        (PacketType.FILTER_REJECT, b""),
        (PacketType.DEVICE_DISCONNECT_ACK, b""),
    ]
    line.change(Policy())
    line.connect(STORAGE)
    assert kinds(line.guest_saw())[-1] == PacketType.DEVICE_CONNECT


def test_a_packet_that_is_under_way_ends_empty() -> None:
    line = UsbLine(Policy())
    line.connect(STORAGE)
    packet = pack(BULK, b"x" * 1000, wide_ids=True)
    line.from_client(StreamMessage.DATA, packet[:500])
    line.change(Policy(usb=False))
    assert kinds(line.guest_saw())[-1] == PacketType.DEVICE_CONNECT
    line.from_client(StreamMessage.DATA, packet[500:])
    assert line.guest_saw()[-2:] == [(BULK, b"x" * 484 + bytes(516)), (PacketType.DEVICE_DISCONNECT, b"")]


def test_old_clients_have_short_ids_and_devices_without_version() -> None:
    line = UsbLine(Policy(usb_filters=("-1,-1,-1,0x100,0|-1,-1,-1,-1,1",)), client_caps=words_of([UsbCap.FILTER]))
    line.connect(STORAGE)
    assert kinds(line.guest_saw())[-1] == PacketType.DEVICE_CONNECT


def test_a_client_that_can_not_be_told_is_broken_off() -> None:
    line = UsbLine(Policy(usb=False), client_caps=())
    with pytest.raises(RemoteProtocolError, match="can't be told"):
        line.connect(STORAGE)


@pytest.mark.parametrize("both", [True, False])
def test_compressed_data_is_refused(both: bool) -> None:
    line = UsbLine(Policy())
    with pytest.raises(RemoteProtocolError, match="compressed"):
        (line.from_client if both else line.from_server)(StreamMessage.COMPRESSED_DATA, bytes(9))


@pytest.mark.parametrize(
    ("packet", "size"), [(BULK, (16 << 20) + 1), (PacketType.HELLO, 1 << 20), (PacketType.DEVICE_CONNECT, 1 << 20)]
)
def test_giant_packets_are_refused(packet: int, size: int) -> None:
    line = UsbLine(Policy())
    with pytest.raises(RemoteProtocolError, match="too many"):
        line.from_client(StreamMessage.DATA, packet.to_bytes(4, "little") + size.to_bytes(4, "little") + bytes(8))


def test_a_second_device_and_too_many_interfaces_are_refused() -> None:
    line = UsbLine(Policy())
    line.connect(STORAGE)
    with pytest.raises(RemoteProtocolError, match="another one"):
        line.connect(STORAGE)
    with pytest.raises(RemoteProtocolError, match="33 interfaces"):
        line.from_host(PacketType.INTERFACE_INFO, (33).to_bytes(4, "little") + bytes(128))


def test_what_is_held_back_does_not_pile_up() -> None:
    line = UsbLine(Policy())
    line.connect(KEYBOARD)
    # The guest stops in the middle of a packet to the client, and devices come and go.
    line.from_server(StreamMessage.DATA, pack(CONTROL, b"x" * 100, wide_ids=True)[:50])
    line.from_host(PacketType.DEVICE_DISCONNECT)
    line.change(Policy(usb=False))

    def come_and_go() -> None:
        for _ in range(1000):
            line.connect(KEYBOARD)
            line.from_host(PacketType.DEVICE_DISCONNECT)

    with pytest.raises(RemoteProtocolError, match="held back"):
        come_and_go()
