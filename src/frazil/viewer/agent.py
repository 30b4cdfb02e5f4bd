"""Text on the clipboard that a desktop's agent shares with us. No I/O: messages in, messages out."""

from __future__ import annotations

from frazil.model.errors import Conflict
from frazil.spice.agent_clipboard import (
    ClipboardData,
    ClipboardFormat,
    ClipboardGrab,
    ClipboardLayout,
    ClipboardRelease,
    ClipboardRequest,
    Selection,
)
from frazil.spice.agent_messages import AGENT, AgentCap, AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import AgentAssembler, split
from frazil.spice.agent_tokens import UNLIMITED
from frazil.spice.base_messages import Data
from frazil.spice.capabilities import has, words_of
from frazil.spice.main_channel import AgentTokens, MainClient
from frazil.spice.records import encode

CAPS = words_of((AgentCap.CLIPBOARD_BY_DEMAND, AgentCap.CLIPBOARD_SELECTION))


class Agent:
    """`outgoing` takes what the main channel has to send; each `AGENT_DATA` waits for a token of the server."""

    def __init__(self) -> None:
        self.connected = False
        self.offered = False
        """Whether the desktop has text on its clipboard."""
        self.received: str | None = None
        """What came last of what was asked for; None while nothing has come."""
        self._ours: str | None = None
        self._caps: tuple[int, ...] | None = None
        self._tokens = 0
        self._waiting: list[tuple[int, object]] = []
        self._assembler = AgentAssembler()

    @property
    def ready(self) -> bool:
        """Whether the agent is there and has said what it can do."""
        return self.connected and self._caps is not None

    def connect(self, tokens: int) -> None:
        """The agent is there, and takes so many messages."""
        self.connected, self.offered, self._caps = True, False, None
        self._tokens = tokens
        self._assembler.reset()
        self._waiting = [(MainClient.AGENT_START, AgentTokens(tokens=UNLIMITED))]
        self._say(AgentType.ANNOUNCE_CAPABILITIES, encode(AnnounceCapabilities(request=True, caps=CAPS)))

    def disconnect(self) -> None:
        """The agent is gone."""
        self.connected = self.offered = False
        self._caps = None
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

    def offer(self, text: str) -> None:
        """Have `text` on the clipboard that we share. Raises Conflict."""
        layout = self._layout()
        self._ours, self.offered = text, False
        self._say(AgentType.CLIPBOARD_GRAB, layout.encode(ClipboardGrab(types=(ClipboardFormat.UTF8_TEXT,))))

    def ask(self) -> None:
        """Ask for the desktop's text; it becomes `received`. Raises Conflict."""
        layout = self._layout()
        self.received = None
        self._say(AgentType.CLIPBOARD_REQUEST, layout.encode(ClipboardRequest(type=ClipboardFormat.UTF8_TEXT)))

    def feed(self, body: memoryview) -> None:
        """What one `AGENT_DATA` of the server brings. Raises RemoteProtocolError."""
        whole = self._assembler.feed(body)
        if whole is None:
            return
        header, message = whole
        if header.type == AgentType.ANNOUNCE_CAPABILITIES:
            told = AGENT.decode(header.type, message)
            assert isinstance(told, AnnounceCapabilities)
            self._caps = told.caps
            if told.request:
                self._say(AgentType.ANNOUNCE_CAPABILITIES, encode(AnnounceCapabilities(request=False, caps=CAPS)))
        elif self._caps is not None:
            self._clipboard(header.type, message)

    def _clipboard(self, kind: int, message: bytes) -> None:
        layout = self._layout()
        match kind:
            case AgentType.CLIPBOARD_GRAB:
                grab = layout.decode(ClipboardGrab, message)
                if grab.selection == Selection.CLIPBOARD:
                    self.offered = ClipboardFormat.UTF8_TEXT in grab.content.types
            case AgentType.CLIPBOARD_RELEASE:
                if layout.decode(ClipboardRelease, message).selection == Selection.CLIPBOARD:
                    self.offered = False
            case AgentType.CLIPBOARD_REQUEST:
                asked = layout.decode(ClipboardRequest, message)
                self._say(AgentType.CLIPBOARD, layout.encode(self._given(asked.content), selection=asked.selection))
            case AgentType.CLIPBOARD:
                given = layout.decode(ClipboardData, message).content
                text = bytes(given.data).decode(errors="replace") if given.type == ClipboardFormat.UTF8_TEXT else ""
                self.received = text.replace("\r\n", "\n") if self._crlf else text

    def _given(self, asked: ClipboardRequest) -> ClipboardData:
        if self._ours is None or asked.type != ClipboardFormat.UTF8_TEXT:
            return ClipboardData(type=ClipboardFormat.NONE, data=b"")
        text = self._ours.replace("\n", "\r\n") if self._crlf else self._ours
        return ClipboardData(type=ClipboardFormat.UTF8_TEXT, data=text.encode())

    @property
    def _crlf(self) -> bool:
        return has(self._caps or (), AgentCap.GUEST_LINEEND_CRLF)

    def _layout(self) -> ClipboardLayout:
        if self._caps is None:
            raise Conflict(
                "The desktop's agent is not there, by which the clipboard goes.",
                remedy="Wait until somebody is signed in on the desktop: wait_for_agent.",
            )
        return ClipboardLayout.between(CAPS, self._caps)

    def _say(self, kind: AgentType, body: bytes) -> None:
        self._waiting.extend((MainClient.AGENT_DATA, Data(data=part)) for part in split(kind, body))
