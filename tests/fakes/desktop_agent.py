"""A desktop's agent: a clipboard with text, and files that are sent to it. Its bytes go over a fake SPICE server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

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
    FileXferData,
    FileXferResult,
    FileXferStart,
    FileXferStatus,
    MonitorsConfig,
)
from frazil.spice.agent_stream import AgentAssembler
from frazil.spice.capabilities import words_of
from frazil.spice.records import encode

CAPS = (AgentCap.CLIPBOARD_BY_DEMAND, AgentCap.CLIPBOARD_SELECTION, AgentCap.GUEST_LINEEND_CRLF)
LAYOUT = ClipboardLayout(selection=True)


class DesktopAgent:
    """`pasted` is what it fetched of the client's; with `pastes` it does so as soon as it hears of it.

    `monitors` are what clients wanted of its screens. `stored` are files that came whole, by their names; `cancelled`
    the names of those that the client gave up. `answers` is what is said when a file is to come, and `breaks` what is
    said when so many bytes of it have come. `say` sends a whole message.
    """

    def __init__(self, say: Callable[[AgentType, bytes], None], *, caps: tuple[AgentCap, ...] = CAPS) -> None:
        self.pasted: str | None = None
        self.pastes = True
        self.gives = True
        self.copied: str | None = None
        self.monitors: list[MonitorsConfig] = []
        self.stored: dict[str, bytes] = {}
        self.cancelled: list[str] = []
        self.answers: tuple[int, bytes] | None = (FileXferResult.CAN_SEND_DATA, b"")
        self.breaks: tuple[int, tuple[int, bytes]] | None = None
        self.coming: dict[int, IncomingFile] = {}
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
            case AgentType.MONITORS_CONFIG:
                wanted = AGENT.decode(kind, body)
                assert isinstance(wanted, MonitorsConfig)
                self.monitors.append(wanted)
            case AgentType.CLIPBOARD_GRAB:
                self.copied = None
                if self.pastes:
                    self.paste()
            case AgentType.CLIPBOARD:
                self.pasted = bytes(LAYOUT.decode(ClipboardData, body).content.data).decode()
            case AgentType.CLIPBOARD_REQUEST:
                self._give()
            case AgentType.FILE_XFER_START | AgentType.FILE_XFER_DATA | AgentType.FILE_XFER_STATUS:
                self._take(AGENT.decode(kind, body))

    def _give(self) -> None:
        """As spice-vdagent: nothing, unless it was copied on the desktop."""
        given = ClipboardData(type=ClipboardFormat.NONE, data=b"")
        if self.copied is not None and self.gives:
            given = ClipboardData(type=ClipboardFormat.UTF8_TEXT, data=self.copied.encode())
        self._say(AgentType.CLIPBOARD, LAYOUT.encode(given))

    def _take(self, told: object) -> None:
        match told:
            case FileXferStart():
                name, size = _named(bytes(told.info))
                self.coming[told.id] = IncomingFile(name, size)
                if self.answers is not None:
                    self._answer(told.id, *self.answers)
            case FileXferData() if told.id in self.coming:
                file = self.coming[told.id]
                assert told.size == len(told.data)
                file.content += told.data
                if self.breaks is not None and len(file.content) >= self.breaks[0]:
                    self._answer(told.id, *self.breaks[1])
                elif len(file.content) >= file.size:
                    self.stored[file.name] = bytes(file.content)
                    assert len(file.content) == file.size
                    self._answer(told.id, FileXferResult.SUCCESS, b"")
            case FileXferStatus() if told.id in self.coming:
                assert told.result == FileXferResult.CANCELLED
                self.cancelled.append(self.coming.pop(told.id).name)

    def _answer(self, number: int, result: int, detail: bytes) -> None:
        if result != FileXferResult.CAN_SEND_DATA:
            del self.coming[number]
        self._say(AgentType.FILE_XFER_STATUS, encode(FileXferStatus(id=number, result=result, detail=detail)))


@dataclass(slots=True)
class IncomingFile:
    """As much of it as has come."""

    name: str
    size: int
    content: bytearray = field(default_factory=bytearray)


def _named(key_file: bytes) -> tuple[str, int]:
    """Name and size, as GLib reads them out of such a file."""
    head, *lines, end = key_file.decode().split("\n")
    assert (head, end) == ("[vdagent-file-xfer]", "\0")
    values = dict(line.split("=", 1) for line in lines)
    escapes = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    name = re.sub(r"\\(.)", lambda found: escapes[found[1]], values["name"].lstrip(" "))
    return name, int(values["size"])
