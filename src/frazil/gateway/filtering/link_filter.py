"""The policy of a session, enforced in one link's bytes. Pure: no I/O, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from frazil.gateway.filtering.channels import refuses_channel
from frazil.gateway.filtering.lane import Lane, Looks, Verdict
from frazil.gateway.filtering.main_rules import Destination, MainRules
from frazil.gateway.filtering.sound_rules import SoundRules
from frazil.gateway.filtering.usb_rules import UsbRules
from frazil.gateway.filtering.wires import PassingRules, Rules
from frazil.model.clock import Clock
from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import Policy
from frazil.spice.ack_window import AckWindow
from frazil.spice.base_messages import AckSync, BaseClient, BaseServer, SetAck
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayClient
from frazil.spice.fields import Buffer
from frazil.spice.framing import BODY_MAX_BYTES, HeaderKind, Message
from frazil.spice.inputs_channel import InputsClient
from frazil.spice.main_channel import MainClient
from frazil.spice.records import decode

INPUTS_MAX_BYTES = 4 << 10
"""Of one message of a client's keyboard and mouse."""

FATAL_ON_ALL: frozenset[int] = frozenset({BaseClient.MIGRATE_FLUSH_MARK, BaseClient.MIGRATE_DATA})
FATAL: Mapping[int, frozenset[int]] = {
    ChannelType.MAIN: frozenset({MainClient.MIGRATE_DST_DO_SEAMLESS}),
    ChannelType.DISPLAY: frozenset({DisplayClient.INIT}),
}
"""By channel, what spice-server ends itself for, and its desktop with it, when it does not wait for it (ADR 0205).

It waits for no migration's messages: no desktop moves under a viewer yet. The display's INIT is not seen here the first
time (`display_start`).
"""


@dataclass(frozen=True, slots=True)
class Output:
    """What is to be written, in this order. Buffers may point into what was fed."""

    to_client: Sequence[Buffer]
    to_server: Sequence[Buffer]


class LinkFilter:
    """One link, both directions.

    What one call returns must be written to both sides before what the next call returns: a message of ours never
    stands inside another one. `destination` is asked when a client is to be sent there, as certificates are renewed.
    """

    def __init__(
        self,
        *,
        channel: int,
        kind: HeaderKind,
        policy: Policy,
        clock: Clock,
        destination: Callable[[], Destination] | None = None,
    ) -> None:
        self._channel = channel
        self._fatal = FATAL_ON_ALL | FATAL.get(channel, frozenset())
        self._ack = AckWindow()
        self._forbidden = False
        self._has_input = False
        self.main: MainRules | None = None
        rules: Rules = PassingRules()
        match channel:
            case ChannelType.MAIN:
                rules = self.main = MainRules(policy, self, clock, destination)
            case ChannelType.PLAYBACK | ChannelType.RECORD:
                rules = SoundRules(ChannelType(channel), policy, self)
            case ChannelType.USBREDIR:
                rules = UsbRules(policy, self)
        self._rules = rules
        limit = INPUTS_MAX_BYTES if channel == ChannelType.INPUTS else BODY_MAX_BYTES
        self._from_client = Lane(
            kind,
            Looks(
                verdict=self._client_verdict,
                inspect=self._inspect_client,
                stream=rules.stream_client,
                dropped=lambda: None,
            ),
            body_max_bytes=limit,
        )
        self._from_server = Lane(
            kind,
            Looks(
                verdict=self._server_verdict,
                inspect=self._inspect_server,
                stream=rules.stream_server,
                dropped=self._server_dropped,
                unfolded=self._server_unfolded,
            ),
        )

    @property
    def _looks(self) -> bool:
        """Whether anything can be enforced here. Otherwise the server's bytes are not even cut into messages."""
        return type(self._rules) is not PassingRules

    @property
    def forbidden(self) -> bool:
        """Whether the link has to end: its whole content is forbidden, and its protocol has no word for that."""
        return self._forbidden

    def from_server(self, data: bytes) -> Output:
        """Raises RemoteProtocolError."""
        if not self._looks:
            return Output((data,), ())
        self._from_server.feed(data)
        return self._output()

    def from_client(self, data: bytes) -> Output:
        """Raises RemoteProtocolError."""
        self._from_client.feed(data)
        return self._output()

    def took_input(self) -> bool:
        """Whether keyboard or mouse were used since this was last asked."""
        has_input, self._has_input = self._has_input, False
        return has_input

    def change(self, policy: Policy) -> Output:
        """Another policy holds from now on, for what is under way too."""
        self._rules.change(policy)
        self._forbidden = not self._looks and refuses_channel(policy, self._channel)
        return self._output()

    def measure(self) -> Output:
        """The client's line is to be measured again, on whatever link that is done."""
        if self.main is not None:
            self.main.measure()
        return self._output()

    def to_client(self, number: int, body: Buffer = b"") -> None:
        """See `wires.Wires`."""
        self._ack.added()
        self._from_server.send(number, body)

    def to_server(self, number: int, body: Buffer = b"") -> None:
        """See `wires.Wires`."""
        self._from_client.send(number, body)

    def _output(self) -> Output:
        output = Output(self._from_server.out, self._from_client.out)
        self._from_server.out, self._from_client.out = [], []
        return output

    def _server_verdict(self, number: int, size: int) -> Verdict:
        return Verdict.INSPECT if number == BaseServer.SET_ACK else self._rules.server_verdict(number, size)

    def _client_verdict(self, number: int, size: int) -> Verdict:
        if number in self._fatal:
            raise RemoteProtocolError(f"The client says message {number} where it has no place.")
        if self._channel == ChannelType.INPUTS and number >= InputsClient.KEY_DOWN:
            self._has_input = True
        if self._looks and number in (BaseClient.ACK_SYNC, BaseClient.ACK):
            return Verdict.INSPECT
        return self._rules.client_verdict(number, size)

    def _inspect_server(self, message: Message) -> bool:
        if message.type != BaseServer.SET_ACK:
            return self._rules.inspect_server(message)
        ack = decode(SetAck, message.body)
        self._ack.set_ack(generation=ack.generation, window=ack.window)
        return True

    def _inspect_client(self, message: Message) -> bool:
        if message.type == BaseClient.ACK_SYNC:
            acks = self._ack.ack_sync(generation=decode(AckSync, message.body).generation)
            self.to_server(BaseClient.ACK_SYNC, message.body)
            self._acknowledge(acks)
            return False
        if message.type == BaseClient.ACK:
            self._acknowledge(self._ack.ack())
            return False
        return self._rules.inspect_client(message)

    def _server_dropped(self) -> None:
        self._acknowledge(self._ack.dropped())

    def _server_unfolded(self, messages: int) -> None:
        if messages:
            self._ack.added(messages - 1)
        else:
            self._server_dropped()

    def _acknowledge(self, acks: int) -> None:
        for _ in range(acks):
            self.to_server(BaseClient.ACK)
