"""The policy on the main channel: which channels there are, what the agent may say, and where the desktop is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from frazil.gateway.filtering.agent_rules import AgentRules
from frazil.gateway.filtering.agent_way import AgentWay
from frazil.gateway.filtering.channels import cut
from frazil.gateway.filtering.clipboard_rules import Way
from frazil.gateway.filtering.lane import Verdict
from frazil.gateway.filtering.line_probe import LineProbe
from frazil.gateway.filtering.wires import PassingRules, Wires
from frazil.model.clock import Clock
from frazil.model.policy import Policy
from frazil.spice.base_messages import BaseClient, BaseServer, Pong
from frazil.spice.fields import Buffer
from frazil.spice.framing import Message
from frazil.spice.main_channel import (
    AgentTokens,
    ChannelsList,
    MainClient,
    MainInit,
    MainServer,
    MigrateBegin,
    MigrateBeginSeamless,
    SwitchHost,
)
from frazil.spice.records import decode, encode

_FROM_SERVER = frozenset(
    {
        MainServer.INIT,
        MainServer.CHANNELS_LIST,
        MainServer.AGENT_CONNECTED,
        MainServer.AGENT_DISCONNECTED,
        MainServer.AGENT_DATA,
        MainServer.AGENT_TOKEN,
        MainServer.AGENT_CONNECTED_TOKENS,
        MainServer.MIGRATE_BEGIN,
        MainServer.MIGRATE_SWITCH_HOST,
        MainServer.MIGRATE_BEGIN_SEAMLESS,
    }
)
_FROM_CLIENT = frozenset({BaseClient.PONG, MainClient.AGENT_START, MainClient.AGENT_DATA, MainClient.AGENT_TOKEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where clients find every desktop, wherever it runs: the gateway, as migration messages name it."""

    host: str
    tls_port: int
    cert_subject: str


class MainRules(PassingRules):
    """A main link."""

    def __init__(
        self, policy: Policy, wires: Wires, clock: Clock, destination: Callable[[], Destination] | None
    ) -> None:
        self._policy = policy
        self._wires = wires
        self._clock = clock
        self._destination = destination
        self._agent = AgentRules(policy, self)
        self._agent_started = False
        self.probe = LineProbe(wires.to_client)
        self.session_id: int | None = None
        """What the session's other links must name as connection id, once the server has said it."""

    def server_verdict(self, number: int, size: int) -> Verdict:
        if number == BaseServer.PING:
            self.probe.pinged(size, self._clock.monotonic_s())
        return Verdict.INSPECT if number in _FROM_SERVER else Verdict.PASS

    def client_verdict(self, number: int, size: int) -> Verdict:
        return Verdict.INSPECT if number in _FROM_CLIENT else Verdict.PASS

    def data(self, way: Way, body: Buffer) -> None:
        """See `agent_rules.AgentWires`."""
        if way is Way.TO_DESKTOP:
            self._wires.to_server(MainClient.AGENT_DATA, body)
        else:
            self._wires.to_client(MainServer.AGENT_DATA, body)

    def tokens(self, way: Way, tokens: int) -> None:
        """See `agent_rules.AgentWires`."""
        body = encode(AgentTokens(tokens=tokens))
        if way is Way.TO_DESKTOP:
            self._wires.to_client(MainServer.AGENT_TOKEN, body)
        else:
            self._wires.to_server(MainClient.AGENT_TOKEN, body)

    def measure(self) -> None:
        """Ask the client again, so that its answer tells how long its line takes now."""
        self.probe.again(self._clock.monotonic_s())

    def change(self, policy: Policy) -> None:
        self._policy = policy
        self._agent.change(policy)

    def inspect_server(self, message: Message) -> bool:
        match message.type:
            case MainServer.INIT:
                self._init(decode(MainInit, message.body))
                return False
            case MainServer.CHANNELS_LIST:
                listed = decode(ChannelsList, message.body)
                self._wires.to_client(MainServer.CHANNELS_LIST, encode(cut(self._policy, listed)))
                return False
            case MainServer.AGENT_CONNECTED | MainServer.AGENT_DISCONNECTED:
                self._agent_gone()
            case MainServer.AGENT_CONNECTED_TOKENS:
                self._agent_gone()
                told = self._to_desktop.tokens.reset(decode(AgentTokens, message.body).tokens)
                self._wires.to_client(MainServer.AGENT_CONNECTED_TOKENS, encode(AgentTokens(tokens=told)))
                return False
            case MainServer.AGENT_TOKEN:
                return self._granted(Way.TO_DESKTOP, message)
            case MainServer.AGENT_DATA:
                return self._agent_data(Way.FROM_DESKTOP, message)
            case MainServer.MIGRATE_BEGIN | MainServer.MIGRATE_SWITCH_HOST | MainServer.MIGRATE_BEGIN_SEAMLESS:
                self._migrate(message)
                return False
        return True

    def inspect_client(self, message: Message) -> bool:
        match message.type:
            case BaseClient.PONG:
                return not self.probe.pong(decode(Pong, message.body).id, self._clock.monotonic_s())
            case MainClient.AGENT_START:
                self._agent_started = True
                told = self._from_desktop.tokens.reset(decode(AgentTokens, message.body).tokens)
                self._wires.to_server(MainClient.AGENT_START, encode(AgentTokens(tokens=told)))
                return False
            case MainClient.AGENT_TOKEN:
                return self._granted(Way.FROM_DESKTOP, message)
            case MainClient.AGENT_DATA:
                return self._agent_data(Way.TO_DESKTOP, message)
        return True

    @property
    def _to_desktop(self) -> AgentWay:
        return self._agent.ways[Way.TO_DESKTOP]

    @property
    def _from_desktop(self) -> AgentWay:
        return self._agent.ways[Way.FROM_DESKTOP]

    def _init(self, init: MainInit) -> None:
        self.session_id = init.session_id
        tokens = self._to_desktop.tokens.reset(init.agent_tokens)
        self._wires.to_client(MainServer.INIT, encode(replace(init, agent_tokens=tokens)))
        self.probe.begin(self._clock.monotonic_s())

    def _agent_gone(self) -> None:
        """What a client says to the old agent until it starts with the new one is lost, and costs no tokens."""
        self._agent_started = False
        self._agent.reset()

    def _granted(self, way: Way, message: Message) -> bool:
        account = self._agent.ways[way].tokens
        if account.unlimited:
            return True
        account.granted(decode(AgentTokens, message.body).tokens)
        self._agent.settle()
        return False

    def _agent_data(self, way: Way, message: Message) -> bool:
        if not self._agent_started:
            return False
        if self._agent.data(way, message.body):
            self.data(way, message.body)
        self._agent.settle()
        return False

    def _migrate(self, message: Message) -> None:
        """The gateway is where the desktop is. Where that is not known, a client is not sent anywhere."""
        if self._destination is None:
            return
        there = self._destination()
        host, subject = there.host.encode() + b"\0", there.cert_subject.encode() + b"\0"
        begin = MigrateBegin(port=0, tls_port=there.tls_port, host=host, cert_subject=subject)
        content: object = begin
        if message.type == MainServer.MIGRATE_SWITCH_HOST:
            content = SwitchHost(port=0, tls_port=begin.tls_port, host=host, cert_subject=subject)
        elif message.type == MainServer.MIGRATE_BEGIN_SEAMLESS:
            version = decode(MigrateBeginSeamless, message.body).source_version
            content = MigrateBeginSeamless(destination=begin, source_version=version)
        self._wires.to_client(message.type, encode(content))
