"""Text on the clipboard that a desktop's agent shares with us. No I/O: messages in, messages out."""

from __future__ import annotations

from frazil.model.errors import Refused
from frazil.spice.agent_clipboard import (
    ClipboardData,
    ClipboardFormat,
    ClipboardGrab,
    ClipboardLayout,
    ClipboardRelease,
    ClipboardRequest,
    Selection,
)
from frazil.spice.agent_messages import AgentCap, AgentType
from frazil.viewer.agent import CAPS, Agent


class Clipboard:
    """Only what is copied, not what is merely marked; only text."""

    def __init__(self, agent: Agent) -> None:
        self.answered = False
        """Whether what was asked for has come, or was refused; then it is in `text`."""
        self.text: str | None = None
        """None when the desktop gave nothing."""
        self.fetched = False
        """Whether the desktop has fetched what we offered last."""
        self._agent = agent
        self._ours: str | None = None
        self._theirs_since = 0
        """With which of the agent's comings it said that there is text; 0 while there is none."""

    @property
    def offered(self) -> bool:
        """Whether the desktop has said that there is text on its clipboard."""
        return self._agent.connected and self._theirs_since == self._agent.comings

    @property
    def offering(self) -> bool:
        """Whether what we offered is still what the desktop would paste."""
        return self._ours is not None

    def offer(self, text: str) -> None:
        """Have `text` on the clipboard that we share. Raises Conflict, Refused."""
        layout = self._layout()
        self._ours, self.fetched, self._theirs_since = text, False, 0
        self._agent.say(AgentType.CLIPBOARD_GRAB, layout.encode(ClipboardGrab(types=(ClipboardFormat.UTF8_TEXT,))))

    def ask(self) -> None:
        """Ask for the desktop's text; `answered` says when it is there. Raises Conflict, Refused."""
        layout = self._layout()
        self.answered, self.text = False, None
        request = ClipboardRequest(type=ClipboardFormat.UTF8_TEXT)
        self._agent.say(AgentType.CLIPBOARD_REQUEST, layout.encode(request))

    def hear(self, kind: int, message: bytes) -> None:
        """What the agent says. Raises RemoteProtocolError."""
        layout = ClipboardLayout.between(CAPS, self._agent.caps)
        match kind:
            case AgentType.CLIPBOARD_GRAB:
                grab = layout.decode(ClipboardGrab, message)
                if grab.selection == Selection.CLIPBOARD:
                    text = ClipboardFormat.UTF8_TEXT in grab.content.types
                    self._ours, self._theirs_since = None, self._agent.comings if text else 0
            case AgentType.CLIPBOARD_RELEASE:
                if layout.decode(ClipboardRelease, message).selection == Selection.CLIPBOARD:
                    self._theirs_since = 0
            case AgentType.CLIPBOARD_REQUEST:
                asked = layout.decode(ClipboardRequest, message)
                body = layout.encode(self._given(asked.content), selection=asked.selection)
                self._agent.say(AgentType.CLIPBOARD, body)
            case AgentType.CLIPBOARD:
                self._take(layout.decode(ClipboardData, message).content)

    def _take(self, given: ClipboardData) -> None:
        self.answered = True
        if given.type == ClipboardFormat.UTF8_TEXT:
            text = bytes(given.data).decode(errors="replace").rstrip("\0")
            self.text = text.replace("\r\n", "\n") if self._crlf else text

    def _given(self, asked: ClipboardRequest) -> ClipboardData:
        if self._ours is None or asked.type != ClipboardFormat.UTF8_TEXT:
            return ClipboardData(type=ClipboardFormat.NONE, data=b"")
        self.fetched = True
        text = self._ours.replace("\n", "\r\n") if self._crlf else self._ours
        return ClipboardData(type=ClipboardFormat.UTF8_TEXT, data=text.encode())

    @property
    def _crlf(self) -> bool:
        return self._agent.can(AgentCap.GUEST_LINEEND_CRLF)

    def _layout(self) -> ClipboardLayout:
        if not self._agent.can(AgentCap.CLIPBOARD_BY_DEMAND):
            raise Refused(
                "Nothing may be copied into this desktop or out of it.",
                remedy="Its pool's policy says so; an administrator can change it: "
                "frazil pool change POOL --allow clipboard-in --allow clipboard-out",
            )
        return ClipboardLayout.between(CAPS, self._agent.caps)
