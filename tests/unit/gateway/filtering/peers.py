"""A server and a client with accounts of their own, and the filter between them.

Both are as strict as the real ones: the server stops at twice its ACK window and breaks off at an agent message without
a token; the client sends only what it has tokens for, and says ACK for each window of messages.
"""

from __future__ import annotations

from datetime import UTC, datetime

from frazil.gateway.filtering import Destination, LinkFilter, Output
from frazil.model.policy import Policy
from frazil.spice.agent_messages import AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import AgentAssembler, split
from frazil.spice.agent_tokens import UNLIMITED
from frazil.spice.base_messages import AckSync, BaseClient, BaseServer, Ping, Pong, SetAck
from frazil.spice.capabilities import words_of
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, Message, MessageParser
from frazil.spice.framing import encode as frame
from frazil.spice.main_channel import AgentTokens, MainClient, MainInit, MainServer
from frazil.spice.records import decode, encode

INIT = MainInit(
    session_id=77,
    display_channels_hint=1,
    supported_mouse_modes=3,
    current_mouse_mode=1,
    agent_connected=True,
    agent_tokens=10,
    multi_media_time_ms=0,
    ram_hint=0,
)
ALL_CAPS = words_of(range(18))
GATEWAY = Destination(host="desk.example", tls_port=443, cert_subject="CN=desk.example")


class HandClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return self.at_s


class Line:
    """One link. What each side got: `client` and `server` messages, `to_client` and `to_guest` agent messages."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        channel: ChannelType = ChannelType.MAIN,
        kind: HeaderKind = HeaderKind.MINI,
        client_takes: int = UNLIMITED,
    ) -> None:
        self.clock = HandClock()
        self.kind = kind
        self.filter = LinkFilter(
            channel=channel, kind=kind, policy=policy or Policy(), clock=self.clock, destination=lambda: GATEWAY
        )
        self.client: list[tuple[int, bytes]] = []
        self.server: list[tuple[int, bytes]] = []
        self.to_client: list[tuple[int, bytes]] = []
        self.to_guest: list[tuple[int, bytes]] = []
        self.pongs = True
        self._at_client, self._at_server = MessageParser(kind), MessageParser(kind)
        self._client_agent, self._guest_agent = AgentAssembler(), AgentAssembler()
        self._window = self._left = self._unacknowledged = 0
        self._generation = self._client_generation = 0
        self.client_tokens = 0
        """What the client thinks that it may send."""
        self._server_takes = 0
        self._client_takes = client_takes
        self.server_tokens = 0
        """What the server thinks that it may send."""

    # The server's side.

    def from_server(self, number: int, body: bytes = b"") -> None:
        assert not self.stalled, "The server waits for an ACK."
        self._unacknowledged += 1
        self.raw_from_server(frame(self.kind, number, body, serial=1))

    def raw_from_server(self, data: bytes) -> None:
        self.carry(self.filter.from_server(data))

    @property
    def stalled(self) -> bool:
        return bool(self._window) and self._unacknowledged > 2 * self._window

    def set_ack(self, window: int) -> None:
        self._generation += 1
        self._window, self._unacknowledged = window, 0
        self.from_server(BaseServer.SET_ACK, encode(SetAck(generation=self._generation, window=window)))

    def start(self, *, client_caps: tuple[int, ...] = ALL_CAPS, guest_caps: tuple[int, ...] = ALL_CAPS) -> None:
        """INIT, and the agent's first words."""
        self._server_takes = INIT.agent_tokens
        self.from_server(MainServer.INIT, encode(INIT))
        self.from_client(MainClient.AGENT_START, encode(AgentTokens(tokens=self._client_takes)))
        said = AnnounceCapabilities(request=True, caps=client_caps)
        self.client_says(AgentType.ANNOUNCE_CAPABILITIES, encode(said))
        self.guest_says(AgentType.ANNOUNCE_CAPABILITIES, encode(AnnounceCapabilities(request=False, caps=guest_caps)))

    def guest_says(self, agent_type: int, body: bytes = b"") -> None:
        for data in split(agent_type, body):
            self.guest_data(data)

    def guest_data(self, data: bytes) -> None:
        assert self.server_tokens, "The server waits for a token."
        self.server_tokens -= self.server_tokens != UNLIMITED
        self.from_server(MainServer.AGENT_DATA, data)

    # The client's side.

    def from_client(self, number: int, body: bytes = b"") -> None:
        self.carry(self.filter.from_client(frame(self.kind, number, body)))

    def client_says(self, agent_type: int, body: bytes = b"") -> None:
        for data in split(agent_type, body):
            self.client_data(data)

    def client_data(self, data: bytes) -> None:
        assert self.client_tokens, "The client waits for a token."
        self.client_tokens -= 1
        self.from_client(MainClient.AGENT_DATA, data)

    # Both.

    def change(self, policy: Policy) -> None:
        self.carry(self.filter.change(policy))

    def measure(self) -> None:
        self.carry(self.filter.measure())

    def carry(self, output: Output) -> None:
        for data in output.to_server:
            for message in self._at_server.feed(data):
                self._server_gets(message)
        for data in output.to_client:
            for message in list(self._at_client.feed(data)):
                self._client_gets(message)

    def _server_gets(self, message: Message) -> None:
        body = bytes(message.body)
        match message.type:
            case BaseClient.ACK_SYNC:
                self._client_generation = decode(AckSync, body).generation
            case BaseClient.ACK:
                if self._client_generation == self._generation:
                    self._unacknowledged -= self._window
                    assert self._unacknowledged >= 0, "The server's counter went below 0."
            case MainClient.AGENT_START:
                self.server_tokens = decode(AgentTokens, body).tokens
            case MainClient.AGENT_TOKEN:
                self.server_tokens += decode(AgentTokens, body).tokens
            case MainClient.AGENT_DATA if self.filter.main:
                assert self._server_takes, "The server got an agent message without a token."
                self._server_takes -= 1
                whole = self._guest_agent.feed(message.body)
                if whole is not None:
                    self.to_guest.append((whole[0].type, whole[1]))
                self._server_takes += 1
                self.from_server(MainServer.AGENT_TOKEN, encode(AgentTokens(tokens=1)))
            case _:
                self.server.append((message.type, body))

    def _client_gets(self, message: Message) -> None:
        body = bytes(message.body)
        if self._left:
            self._left -= 1
            if not self._left:
                self._left = self._window
                self.from_client(BaseClient.ACK)
        match message.type:
            case BaseServer.SET_ACK:
                ack = decode(SetAck, body)
                self._left = ack.window
                self.from_client(BaseClient.ACK_SYNC, encode(AckSync(generation=ack.generation)))
            case BaseServer.PING:
                ping = decode(Ping, body)
                self.client.append((message.type, body))
                if self.pongs:
                    self.from_client(BaseClient.PONG, encode(Pong(id=ping.id, timestamp=ping.timestamp)))
            case MainServer.INIT if self.filter.main:
                self.client_tokens = decode(MainInit, body).agent_tokens
                self.client.append((message.type, body))
            case MainServer.AGENT_CONNECTED_TOKENS:
                self.client_tokens = decode(AgentTokens, body).tokens
            case MainServer.AGENT_TOKEN:
                self.client_tokens += decode(AgentTokens, body).tokens
            case MainServer.AGENT_DATA:
                whole = self._client_agent.feed(message.body)
                if whole is not None:
                    self.to_client.append((whole[0].type, whole[1]))
                if self._client_takes != UNLIMITED:
                    self.from_client(MainClient.AGENT_TOKEN, encode(AgentTokens(tokens=1)))
            case _:
                self.client.append((message.type, body))
