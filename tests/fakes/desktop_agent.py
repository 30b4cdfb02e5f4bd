"""A desktop's agent: a clipboard with text, and files that are sent to it. Its bytes go over a fake SPICE server."""

from __future__ import annotations

from collections.abc import Callable

from frazil.spice.agent_clipboard import (
    ClipboardData,
    ClipboardFormat,
    ClipboardGrab,
    ClipboardLayout,
    ClipboardRequest,
)
from frazil.spice.agent_messages import (
    AGENT,
    AgentCap,
    AgentType,
    AnnounceCapabilities,
)
from frazil.spice.agent_stream import AgentAssembler
from frazil.spice.capabilities import words_of
from frazil.spice.records import encode

CAPS = (AgentCap.CLIPBOARD_BY_DEMAND, AgentCap.CLIPBOARD_SELECTION, AgentCap.GUEST_LINEEND_CRLF)
LAYOUT = ClipboardLayout(selection=True)


class DesktopAgent:
    """`pasted` is what it fetched of the client's; with `pastes` it does so as soon as it hears of it.

    `say` sends a whole message.
    """

    def __init__(self, say: Callable[[AgentType, bytes], None], *, caps: tuple[AgentCap, ...] = CAPS) -> None:
        self.pasted: str | None = None
        self.pastes = True
        self.gives = True
        self.copied: str | None = None
        self._say = say
        self._caps = words_of(caps)
        self._assembler = AgentAssembler()

    def copy(self, text: str) -> None:
        """Somebody copies on the desktop."""
        self.copied = text
        self._say(AgentType.CLIPBOARD_GRAB, LAYOUT.encode(ClipboardGrab(types=(ClipboardFormat.UTF8_TEXT,))))

    def paste(self) -> None:
        """Somebody pastes what the client has."""
        self._say(AgentType.CLIPBOARD_REQUEST, LAYOUT.encode(ClipboardRequest(type=ClipboardFormat.UTF8_TEXT)))

    def feed(self, body: memoryview) -> None:
        """What one `AGENT_DATA` of the client brings."""
        whole = self._assembler.feed(body)
        if whole is not None:
            self._hear(whole[0].type, whole[1])

    def _hear(self, kind: int, body: bytes) -> None:
        match kind:
            case AgentType.ANNOUNCE_CAPABILITIES:
                told = AGENT.decode(kind, body)
                assert isinstance(told, AnnounceCapabilities)
                if told.request:
                    self._say(
                        AgentType.ANNOUNCE_CAPABILITIES, encode(AnnounceCapabilities(request=True, caps=self._caps))
                    )
            case AgentType.CLIPBOARD_GRAB:
                self.copied = None
                if self.pastes:
                    self.paste()
            case AgentType.CLIPBOARD:
                self.pasted = bytes(LAYOUT.decode(ClipboardData, body).content.data).decode()
            case AgentType.CLIPBOARD_REQUEST:
                self._give()

    def _give(self) -> None:
        """As spice-vdagent: nothing, unless it was copied on the desktop."""
        given = ClipboardData(type=ClipboardFormat.NONE, data=b"")
        if self.copied is not None and self.gives:
            given = ClipboardData(type=ClipboardFormat.UTF8_TEXT, data=self.copied.encode())
        self._say(AgentType.CLIPBOARD, LAYOUT.encode(given))
