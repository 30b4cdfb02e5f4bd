"""Random traffic for a link's filter, in both directions: sound messages, spoilt ones and noise, cut anywhere.

What the peers do in return is not played: the filter must hold its bounds, and a policy's promises (`receivers`),
against sides that keep to nothing. A case is a seed; `play` repeats it. What a long run finds goes into
`tests/unit/gateway/filtering` as a case of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from frazil.gateway.filtering import Destination, LinkFilter, Output
from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import ClipboardType, Policy
from frazil.spice.agent_messages import AGENT_HEADER_BYTES, AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import split
from frazil.spice.base_messages import BaseClient, BaseServer
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.main_channel import ChannelId, ChannelsList, MainClient, MainServer
from frazil.spice.records import encode as body_of
from frazil.spice.sub_lists import fold
from frazil.spice.usbredir import PacketType, pack
from tests.fuzz.receivers import NO_STORAGE, Receivers

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
RARELY = 0.002
"""How often a side says what ends its link at once, so that most links live for a while."""
_ONE = (1).to_bytes(4, "little")
_ENDS_A_LINK = (BaseClient.MIGRATE_FLUSH_MARK, BaseClient.MIGRATE_DATA, MainClient.MIGRATE_DST_DO_SEAMLESS)
_HELLO = pack(PacketType.HELLO, bytes(64) + b"\xff\0\0\0", wide_ids=False)


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
    where, policy = dice.choice([None, GATEWAY]), _policy(dice)
    subject = LinkFilter(
        channel=channel, kind=kind, policy=policy, clock=Clock(dice), destination=(lambda: where) if where else None
    )
    receivers = Receivers(channel, kind, policy, where)
    changes = dice.choice([0.0, 0.0, 0.05])
    greets = dice.random() < 0.9
    sides = {server: Side(dice, channel, kind, server=server, greets=greets) for server in (False, True)}
    fed = made = 0
    for step in range(steps):
        server = dice.random() < 0.5
        try:
            if dice.random() < changes:
                policy = _policy(dice)
                receivers.change(policy)
                output = subject.change(policy)
            elif dice.random() < 0.05:
                output = subject.measure()
            else:
                server = step == 0 if step < 2 else server  # both say who they are before they say more
                data = sides[server].say(whole=step < 2)
                fed += len(data)
                output = subject.from_server(data) if server else subject.from_client(data)
        except RemoteProtocolError:
            return fed
        receivers.take(output, server_spoke=server)
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
        usb_filters=dice.choice([(), (NO_STORAGE,)]),
        sound=yes(),
        microphone=yes(),
    )


Said = tuple[int, bytes]


class Side:
    """What one side says, without end and cut anywhere. Some sides are honest, some spoil a little, some a lot."""

    def __init__(
        self, dice: random.Random, channel: ChannelType, kind: HeaderKind, *, server: bool, greets: bool
    ) -> None:
        self._dice = dice
        self._kind = kind
        self._server = server
        self._spoils = dice.choice([0.0, 0.0, 0.0005, 0.005, 0.05])
        self._wide = greets
        self._plugged = False
        self._speakers: tuple[Callable[[], list[Said]], ...] = (self._base, self._own, self._own)
        if channel is ChannelType.MAIN:
            self._speakers = (self._base, self._main, self._agent, self._agent, self._agent)
        elif channel is ChannelType.USBREDIR:
            self._speakers = (self._base, self._usb, self._usb, self._usb)
        self._have = b""
        if greets:
            self._have = b"".join(encode(kind, number, body, serial=1) for number, body in self._greeting(channel))

    def say(self, *, whole: bool) -> bytes:
        """The next bytes; `whole` for all that is there."""
        while not whole and len(self._have) < 200:
            self._have += self._messages()
        step = len(self._have) if whole else self._dice.choice([1, 3, 17, 100, len(self._have)])
        said, self._have = self._have[:step], self._have[step:]
        return said

    def _greeting(self, channel: ChannelType) -> Iterator[Said]:
        """How it begins, so that what follows means something."""
        if channel is ChannelType.USBREDIR:
            yield 101, _HELLO
        if channel is not ChannelType.MAIN:
            return
        many = self._dice.choice([10, 5000, 0xFFFFFFFF])
        caps = body_of(AnnounceCapabilities(request=True, caps=(0x3FFFF,)))
        if self._server:
            yield MainServer.INIT, bytes(20) + many.to_bytes(4, "little") + bytes(8)
            yield MainServer.AGENT_DATA, split(AgentType.ANNOUNCE_CAPABILITIES, caps)[0]
        else:
            yield MainClient.AGENT_START, many.to_bytes(4, "little")
            yield MainClient.AGENT_DATA, split(AgentType.ANNOUNCE_CAPABILITIES, caps)[0]

    def _messages(self) -> bytes:
        """What belongs together: mostly one message; a server has lists, too."""
        dice, said = self._dice, self._dice.choice(self._speakers)()
        if self._server and dice.random() < 0.1:
            said = [self._listed(said)]
        whole = b""
        for number, body in said:
            if dice.random() < self._spoils:
                whole += dice.randbytes(dice.randrange(40))
                continue
            sub_list = 0
            if self._kind is HeaderKind.FULL and self._server and number != BaseServer.LIST and dice.random() < 0.1:
                sub_list = len(body)
                body += fold([(number, body), (dice.randrange(9, 120), b"")], at=len(body))
                if dice.random() < self._spoils:
                    body = _spoil(dice, body)
            packet = encode(self._kind, number, body, serial=dice.randrange(99), sub_list=sub_list)
            whole += _spoil(dice, packet) if dice.random() < self._spoils else packet
        return whole

    def _listed(self, said: list[Said]) -> Said:
        """In a list; rarely that is in another one, which no honest server makes."""
        body = fold(said[:20])
        if self._dice.random() < 10 * RARELY:
            body = fold([(BaseServer.LIST, body)])
        return BaseServer.LIST, body

    def _base(self) -> list[Said]:
        numbers: Iterable[int] = [*BaseServer][:7] if self._server else BaseClient
        body = _ONE + self._dice.choice([b"\0\0\0\0", b"\5\0\0\0", self._dice.randbytes(4)]) + bytes(40)
        return [(self._one_of(numbers), body)]

    def _one_of(self, numbers: Iterable[int]) -> int:
        ends = self._dice.random() < RARELY
        return int(self._dice.choice([one for one in numbers if self._server or ends or one not in _ENDS_A_LINK]))

    def _own(self) -> list[Said]:
        size = 5000 if self._dice.random() < RARELY else self._dice.choice([0, 2, 4, 8, 32, 4000])
        return [(self._dice.randint(100, 120), self._dice.randbytes(size))]

    def _main(self) -> list[Said]:
        number = self._one_of(MainServer if self._server else MainClient)
        if number == (MainServer.AGENT_DATA if self._server else MainClient.AGENT_DATA):
            return self._agent()
        if number == MainServer.CHANNELS_LIST and self._server:
            listed = ChannelsList(channels=tuple(ChannelId(type=kind, id=0) for kind in ChannelType))
            return [(number, body_of(listed))]
        many = self._dice.choice([0, 1, 10, 100_000, 0xFFFFFFFF])
        return [(number, many.to_bytes(4, "little") + bytes(40))]

    def _agent(self) -> list[Said]:
        """One agent message, in one piece or in several, and rarely without its end; tokens for others of it."""
        dice = self._dice
        numbers: type[MainServer | MainClient] = MainServer if self._server else MainClient
        words = [dice.choice([0, 1, 2, 6, 7, 0x3FFFF]).to_bytes(4, "little") for _ in range(dice.randint(1, 5))]
        content = b"".join(words) + bytes(dice.choice([0, 0, 0, 1, 2000, 9000]))
        pieces = split(dice.choice(list(AgentType)), content)
        if dice.random() < 0.2:
            pieces[:1] = [pieces[0][:AGENT_HEADER_BYTES], pieces[0][AGENT_HEADER_BYTES:]]
        if dice.random() < RARELY:
            del pieces[-1]
        grant = (int(numbers.AGENT_TOKEN), (1000).to_bytes(4, "little"))
        return [grant, *((int(numbers.AGENT_DATA), piece) for piece in pieces)]

    def _usb(self) -> list[Said]:
        dice = self._dice
        packet: int
        if dice.random() < 0.2 or dice.random() < RARELY:
            packet, body = (
                (PacketType.DEVICE_DISCONNECT, b"") if self._plugged else (PacketType.DEVICE_CONNECT, bytes(10))
            )
            self._plugged = not self._plugged
        else:
            packet, body = dice.choice(
                [
                    (PacketType.INTERFACE_INFO, b"\1\0\0\0" + bytes(32) + dice.choice([b"\3", b"\x08"]) + bytes(95)),
                    (PacketType.DEVICE_DISCONNECT_ACK, b""),
                    (PacketType.FILTER_REJECT, b""),
                    (100, dice.randbytes(10)),
                    (101, dice.randbytes(dice.randrange(3000))),
                ]
            )
        return [(101, pack(packet, body, wide_ids=self._wide))]


def _spoil(dice: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    spoilt = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        spoilt[dice.randrange(len(spoilt))] = dice.choice([0, 1, 8, 0xFF, dice.randrange(256)])
    return bytes(spoilt)
