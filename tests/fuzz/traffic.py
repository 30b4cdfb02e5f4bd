"""Random traffic for a link's filter, in both directions: sound messages, spoilt ones and noise, cut anywhere.

What the peers do in return is not played: the filter must hold its bounds against sides that keep to nothing. A case is
a seed; `play` repeats it. What a long run finds goes into `tests/unit/gateway/filtering` as a case of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from frazil.gateway.filtering import Destination, LinkFilter, Output
from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import ClipboardType, Policy
from frazil.spice.agent_messages import AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import split
from frazil.spice.base_messages import BaseClient, BaseServer
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.main_channel import MainClient, MainServer
from frazil.spice.records import encode as body_of
from frazil.spice.sub_lists import fold
from frazil.spice.usbredir import PacketType, pack

CHANNELS = (
    ChannelType.MAIN,
    ChannelType.MAIN,
    ChannelType.USBREDIR,
    ChannelType.USBREDIR,
    ChannelType.PLAYBACK,
    ChannelType.RECORD,
    ChannelType.INPUTS,
    ChannelType.WEBDAV,
)
GATEWAY = Destination(host="gateway", tls_port=443, cert_subject="CN=gateway")
_ONE = (1).to_bytes(4, "little")


class Clock:
    """Jumps, so that pings are due now and then."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._at_s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        self._at_s += self._dice.random() * 2
        return self._at_s


def play(seed: int, *, steps: int = 60) -> int:
    """One link's life. How many bytes were fed. Raises AssertionError when the filter breaks its own promises."""
    dice = random.Random(seed)
    channel, kind = dice.choice(CHANNELS), dice.choice(list(HeaderKind))
    where = (lambda: GATEWAY) if dice.random() < 0.5 else None
    subject = LinkFilter(channel=channel, kind=kind, policy=_policy(dice), clock=Clock(dice), destination=where)
    given = {False: _stream(dice, channel, kind, server=False), True: _stream(dice, channel, kind, server=True)}
    fed = made = 0
    for _ in range(steps):
        server = dice.random() < 0.5
        try:
            if dice.random() < 0.05:
                output = subject.change(_policy(dice))
            else:
                data = next(given[server])
                fed += len(data)
                output = subject.from_server(data) if server else subject.from_client(data)
        except RemoteProtocolError:
            return fed
        made += _size(output)
        # Nothing is made of nothing: pings and answers are few and small beside what came.
        assert made <= 64 * fed + (1 << 20), f"{fed} bytes became {made}"
    return fed


def _size(output: Output) -> int:
    return sum(len(part) for parts in (output.to_client, output.to_server) for part in parts)


def _policy(dice: random.Random) -> Policy:
    def yes() -> bool:
        return dice.random() < 0.6

    return Policy(
        clipboard_to_desktop=yes(),
        clipboard_from_desktop=yes(),
        clipboard_types=frozenset(kind for kind in ClipboardType if yes()),
        clipboard_max_kib=dice.choice([0, 1, 16384]),
        files_to_desktop=yes(),
        folders=yes(),
        usb=yes(),
        usb_filters=dice.choice([(), ("0x08,-1,-1,-1,0|-1,-1,-1,-1,1",)]),
        sound=yes(),
        microphone=yes(),
    )


def _stream(dice: random.Random, channel: ChannelType, kind: HeaderKind, *, server: bool) -> Iterator[bytes]:
    """The bytes of one side without end, cut anywhere. Some sides are honest, some spoil a little, some a lot."""
    spoils = dice.choice([0.0, 0.0, 0.005, 0.05])
    have = b""
    if dice.random() < 0.9:
        for number, body in _greeting(dice, channel, server):
            have += encode(kind, number, body, serial=1)
    while True:
        while len(have) < 200:
            have += _message(dice, channel, kind, spoils, server=server)
        step = dice.choice([1, 3, 17, 100, len(have)])
        yield have[:step]
        have = have[step:]


def _greeting(dice: random.Random, channel: ChannelType, server: bool) -> Iterator[tuple[int, bytes]]:
    """How a side begins, so that what follows means something."""
    if channel is ChannelType.USBREDIR:
        yield 101, pack(PacketType.HELLO, bytes(64) + b"\xff\0\0\0", wide_ids=False)
    if channel is not ChannelType.MAIN:
        return
    many = dice.choice([10, 5000, 0xFFFFFFFF])
    caps = body_of(AnnounceCapabilities(request=True, caps=(0x3FFFF,)))
    if server:
        yield MainServer.INIT, bytes(20) + many.to_bytes(4, "little") + bytes(8)
        yield MainServer.AGENT_DATA, split(AgentType.ANNOUNCE_CAPABILITIES, caps)[0]
    else:
        yield MainClient.AGENT_START, many.to_bytes(4, "little")
        yield MainClient.AGENT_DATA, split(AgentType.ANNOUNCE_CAPABILITIES, caps)[0]


def _message(dice: random.Random, channel: ChannelType, kind: HeaderKind, spoils: float, *, server: bool) -> bytes:
    number, body = dice.choice(_SPEAKERS[channel is ChannelType.MAIN, channel is ChannelType.USBREDIR])(dice, server)
    if dice.random() < spoils:
        return dice.randbytes(dice.randrange(40))
    sub_list = 0
    if kind is HeaderKind.FULL and server and dice.random() < 0.1:
        sub_list = len(body)
        body += fold([(number, body), (dice.randrange(120), b"")], at=len(body))
        if dice.random() < spoils:
            body = _spoil(dice, body)
    packet = encode(kind, number, body, serial=dice.randrange(99), sub_list=sub_list)
    return _spoil(dice, packet) if dice.random() < spoils else packet


def _spoil(dice: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    spoilt = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        spoilt[dice.randrange(len(spoilt))] = dice.choice([0, 1, 0xFF, dice.randrange(256)])
    return bytes(spoilt)


def _base(dice: random.Random, server: bool) -> tuple[int, bytes]:
    number = int(dice.choice([*BaseServer][:7] if server else list(BaseClient)))
    return number, _ONE + dice.choice([b"\0\0\0\0", b"\5\0\0\0", dice.randbytes(4)]) + bytes(40)


def _own(dice: random.Random, server: bool) -> tuple[int, bytes]:
    return dice.randint(100, 120), dice.randbytes(dice.choice([0, 2, 4, 8, 32, 4000]))


def _main(dice: random.Random, server: bool) -> tuple[int, bytes]:
    numbers: Iterable[int] = MainServer if server else MainClient
    number = int(dice.choice(list(numbers)))
    if number in (MainServer.AGENT_DATA, MainClient.AGENT_DATA):
        return _agent(dice, server)
    return number, dice.choice([0, 1, 10, 1000]).to_bytes(4, "little") + bytes(40)


def _agent(dice: random.Random, server: bool) -> tuple[int, bytes]:
    number = int(MainServer.AGENT_DATA if server else MainClient.AGENT_DATA)
    words = [dice.choice([0, 1, 2, 6, 7, 0x3FFFF]).to_bytes(4, "little") for _ in range(dice.choice([1, 2, 3, 4, 5]))]
    return number, split(dice.choice(list(AgentType)), b"".join(words))[0]


def _usb(dice: random.Random, server: bool) -> tuple[int, bytes]:
    packet, body = dice.choice(
        [
            (PacketType.INTERFACE_INFO, b"\1\0\0\0" + bytes(32) + dice.choice([b"\3", b"\x08"]) + bytes(95)),
            (PacketType.DEVICE_CONNECT, bytes(10)),
            (PacketType.DEVICE_DISCONNECT, b""),
            (PacketType.DEVICE_DISCONNECT, b""),
            (PacketType.DEVICE_DISCONNECT_ACK, b""),
            (PacketType.FILTER_REJECT, b""),
            (100, dice.randbytes(10)),
            (101, dice.randbytes(dice.randrange(3000))),
        ]
    )
    return 101, pack(packet, body, wide_ids=True)


_Speaker = Callable[[random.Random, bool], tuple[int, bytes]]
_SPEAKERS: dict[tuple[bool, bool], tuple[_Speaker, ...]] = {
    (True, False): (_base, _main, _agent, _agent, _agent),
    (False, True): (_base, _usb, _usb, _usb),
    (False, False): (_base, _own, _own),
}
