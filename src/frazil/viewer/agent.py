"""What a desktop's agent and we say to each other, under its tokens. No I/O: messages in, messages out."""

from __future__ import annotations

from frazil.model.errors import Conflict
from frazil.spice.agent_messages import AGENT, AgentCap, AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import AgentAssembler, split
from frazil.spice.agent_tokens import UNLIMITED
from frazil.spice.base_messages import Data
from frazil.spice.capabilities import has, words_of
from frazil.spice.main_channel import AgentTokens, MainClient
from frazil.spice.records import encode

CAPS = words_of((AgentCap.CLIPBOARD_BY_DEMAND, AgentCap.CLIPBOARD_SELECTION, AgentCap.FILE_XFER_DETAILED_ERRORS))


class Agent:
    """`outgoing` takes what the main channel has to send; each `AGENT_DATA` waits for a token of the server.

    `comings` counts how often an agent has come: what was agreed with the one before is void.
    """

    def __init__(self) -> None:
        self.connected = False
        self.comings = 0
        self._caps: tuple[int, ...] | None = None
        self._tokens = 0
        self._waiting: list[tuple[int, object]] = []
        self._assembler = AgentAssembler()

    @property
    def ready(self) -> bool:
        """Whether the agent is there and has said what it can do."""
        return self.connected and self._caps is not None

    @property
    def caps(self) -> tuple[int, ...]:
        """What it can do. Raises Conflict while it is not there."""
        if self._caps is None:
            raise Conflict(
                "The desktop's agent is not there, by which text and files go.",
                remedy="It comes with the desktop's system; in a machine of your own, install spice-vdagent.",
            )
        return self._caps

    def can(self, cap: AgentCap) -> bool:
        """Raises Conflict while it is not there."""
        return has(self.caps, cap)

    @property
    def idle(self) -> bool:
        """Whether all that was said is sent."""
        return not self._waiting

    def connect(self, tokens: int) -> None:
        """The agent is there, and takes so many messages."""
        self.connected, self._caps = True, None
        self.comings += 1
        self._tokens = tokens
        self._assembler.reset()
        self._waiting = [(MainClient.AGENT_START, AgentTokens(tokens=UNLIMITED))]
        self._announce(request=True)

    def disconnect(self) -> None:
        """The agent is gone."""
        self.connected, self._caps = False, None
        self._waiting.clear()

    def granted(self, tokens: int) -> None:
        """The server takes so many messages more."""
        self._tokens += tokens

    def outgoing(self) -> list[tuple[int, object]]:
        """Messages of the main channel that may go now, in their order."""
        going: list[tuple[int, object]] = []
        while self._waiting and (self._tokens or self._waiting[0][0] != MainClient.AGENT_DATA):
            number, record = self._waiting.pop(0)
            self._tokens -= number == MainClient.AGENT_DATA
            going.append((number, record))
        return going

    def say(self, kind: AgentType, body: bytes) -> None:
        """Have one message sent, after those before it."""
        self._waiting.extend((MainClient.AGENT_DATA, Data(data=part)) for part in split(kind, body))

    def feed(self, body: memoryview) -> tuple[int, bytes] | None:
        """Type and content of the message that one `AGENT_DATA` of the server completes, for those whom it concerns.

        Raises RemoteProtocolError.
        """
        whole = self._assembler.feed(body)
        if whole is None:
            return None
        header, message = whole
        if header.type != AgentType.ANNOUNCE_CAPABILITIES:
            return (header.type, message) if self._caps is not None else None
        told = AGENT.decode(header.type, message)
        assert isinstance(told, AnnounceCapabilities)
        self._caps = told.caps
        if told.request:
            self._announce(request=False)
        return None

    def _announce(self, *, request: bool) -> None:
        self.say(AgentType.ANNOUNCE_CAPABILITIES, encode(AnnounceCapabilities(request=request, caps=CAPS)))
