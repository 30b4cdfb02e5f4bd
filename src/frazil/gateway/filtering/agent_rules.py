"""The policy in what client and guest agent say to each other.

Both sides' capabilities are rewritten, and what comes all the same is dropped, answered in the other side's name where
somebody waits for an answer. Only messages that we know pass, each in the direction that it is made for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from frazil.gateway.filtering.agent_way import AgentWay, Fate
from frazil.gateway.filtering.clipboard_rules import CopyRules, Way
from frazil.gateway.filtering.file_rules import FileTransfers, cancellation, refusal
from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import Policy
from frazil.spice.agent_clipboard import (
    ClipboardData,
    ClipboardFormat,
    ClipboardGrab,
    ClipboardLayout,
    ClipboardRelease,
    ClipboardRequest,
)
from frazil.spice.agent_messages import (
    AgentType,
    AnnounceCapabilities,
    FileXferStatus,
    MaxClipboard,
)
from frazil.spice.agent_stream import AgentPiece, split
from frazil.spice.cursor import Cursor
from frazil.spice.fields import Buffer
from frazil.spice.records import decode, encode

_PASSING = {
    Way.TO_DESKTOP: frozenset({AgentType.MONITORS_CONFIG, AgentType.DISPLAY_CONFIG, AgentType.AUDIO_VOLUME_SYNC}),
    Way.FROM_DESKTOP: frozenset({AgentType.REPLY}),
}
_MOST_BYTES: Mapping[int, int] = {
    AgentType.MONITORS_CONFIG: 8 + 64 * (20 + 4),  # spice-gtk knows 16 monitors; with their sizes
    AgentType.REPLY: 8,
    AgentType.DISPLAY_CONFIG: 8,
    AgentType.ANNOUNCE_CAPABILITIES: 4 + 4 * 8,
    AgentType.CLIPBOARD_GRAB: 8 + 4 * 32,
    AgentType.CLIPBOARD_REQUEST: 8,
    AgentType.CLIPBOARD_RELEASE: 4,
    AgentType.FILE_XFER_STATUS: 8 + 8,
    AgentType.MAX_CLIPBOARD: 4,
    AgentType.AUDIO_VOLUME_SYNC: 3 + 2 * 255,
}
"""What each of them needs at most. In a longer one something else would pass, that no rule looks at."""


class AgentWires(Protocol):
    """`AGENT_DATA` bodies and tokens, towards each side."""

    def data(self, way: Way, body: Buffer) -> None: ...

    def tokens(self, way: Way, tokens: int) -> None:
        """Tell the sender of this way that it may send so many more."""
        ...


class AgentRules:
    """Both directions. Who calls it has taken `AGENT_DATA` and tokens out of the main channel."""

    def __init__(self, policy: Policy, wires: AgentWires) -> None:
        self.ways = {
            way: AgentWay(
                lambda body, way=way: wires.data(way, body),  # type: ignore[misc]
                lambda tokens, way=way: wires.tokens(way, tokens),  # type: ignore[misc]
            )
            for way in Way
        }
        self._rules = CopyRules(policy)
        self._files = FileTransfers(allowed=policy.files_to_desktop)
        self._caps: dict[Way, tuple[int, ...]] = {}
        """What a way's sender announced, as it did."""
        self._told: dict[Way, tuple[int, ...]] = {}
        """What the other side was told of it."""
        self._still_passes: dict[Way, Callable[[], bool]] = {way: lambda: True for way in Way}
        """Whether the message that is under way would pass by the policy that holds when this is asked."""
        self._grabbed: dict[Way, set[int]] = {way: set() for way in Way}
        """Selections that a way's sender has, as far as the other side knows."""

    def reset(self) -> None:
        """The guest's agent has gone, or come anew."""
        for way in Way:
            self.ways[way].reset()
            self._grabbed[way].clear()
        self._caps.clear()
        self._told.clear()
        self._files.forget()

    def data(self, way: Way, body: memoryview) -> bool:
        """One `AGENT_DATA`: whether it goes on as it is; `settle` is to be called after that."""
        return self.ways[way].data(body, lambda piece: self._decide(way, piece))

    def settle(self) -> None:
        for way in Way:
            self.ways[way].settle()

    def change(self, policy: Policy) -> None:
        """Another policy holds; what is under way and forbidden by it ends."""
        before, self._rules = self._rules, CopyRules(policy)
        self._files.allowed = policy.files_to_desktop
        for way in Way:
            if self._rules.formats(way) != before.formats(way):
                self._let_go(way)
            if not self._still_passes[way]():
                self.ways[way].blank()
        self._announce_again()
        if not policy.files_to_desktop:
            for transfer in self._files.forget():
                self._say(Way.TO_DESKTOP, AgentType.FILE_XFER_STATUS, cancellation(transfer))
                self._refuse_file(transfer)

    def _announce_again(self) -> None:
        for way, caps in self._caps.items():
            told = self._rules.announced(caps, by_desktop=way is Way.FROM_DESKTOP)
            if told != self._told[way]:
                self._told[way] = told
                self._say(way, AgentType.ANNOUNCE_CAPABILITIES, AnnounceCapabilities(request=False, caps=told))

    def _let_go(self, way: Way) -> None:
        """What a side was told that it can have, and no longer can."""
        for selection in self._grabbed[way]:
            body = self._layout().encode(ClipboardRelease(), selection=selection)
            self.ways[way].add(AgentType.CLIPBOARD_RELEASE, body)
        self._grabbed[way].clear()

    def _decide(self, way: Way, piece: AgentPiece) -> Fate | bytes:
        kind = piece.header.type
        self._still_passes[way] = lambda: True
        if piece.header.size > _MOST_BYTES.get(kind, piece.header.size):
            return Fate.DROP
        if kind in _PASSING[way]:
            return Fate.PASS
        if kind == AgentType.CLIPBOARD:
            return self._clipboard(way, piece)
        if way is Way.TO_DESKTOP and kind in (AgentType.FILE_XFER_START, AgentType.FILE_XFER_DATA):
            return self._file(piece)
        if not piece.last:
            return Fate.DROP  # What follows is small in any honest side's mouth.
        match kind:
            case AgentType.ANNOUNCE_CAPABILITIES:
                return self._capabilities(way, piece)
            case AgentType.CLIPBOARD_GRAB:
                return self._grab(way, piece)
            case AgentType.CLIPBOARD_REQUEST:
                return self._request(way, piece)
            case AgentType.CLIPBOARD_RELEASE:
                return self._release(way, piece)
            case AgentType.FILE_XFER_STATUS:
                status = decode(FileXferStatus, piece.data)
                heard = (
                    self._files.client_status(status.id)
                    if way is Way.TO_DESKTOP
                    else self._files.guest_status(status.id, status.result)
                )
                return Fate.PASS if heard else Fate.DROP
            case AgentType.MAX_CLIPBOARD if way is Way.TO_DESKTOP:
                wanted = decode(MaxClipboard, piece.data).max_bytes
                return _whole(AgentType.MAX_CLIPBOARD, encode(MaxClipboard(max_bytes=self._rules.max_bytes(wanted))))
        return Fate.DROP

    def _capabilities(self, way: Way, piece: AgentPiece) -> bytes:
        said = decode(AnnounceCapabilities, piece.data)
        self._caps[way] = said.caps
        self._told[way] = self._rules.announced(said.caps, by_desktop=way is Way.FROM_DESKTOP)
        told = encode(AnnounceCapabilities(request=said.request, caps=self._told[way]))
        return _whole(AgentType.ANNOUNCE_CAPABILITIES, told)

    def _layout(self) -> ClipboardLayout:
        """Each side writes and reads what it was told that the other one can."""
        return ClipboardLayout.between(self._told.get(Way.TO_DESKTOP, ()), self._told.get(Way.FROM_DESKTOP, ()))

    def _grab(self, way: Way, piece: AgentPiece) -> Fate | bytes:
        layout = self._layout()
        grab = layout.decode(ClipboardGrab, piece.data)
        types = tuple(t for t in grab.content.types if t in self._rules.formats(way))
        if types:
            self._grabbed[way].add(grab.selection)
            self._grabbed[way.back].discard(grab.selection)
            if types == grab.content.types:
                return Fate.PASS
            trimmed = layout.encode(ClipboardGrab(types=types), selection=grab.selection, serial=grab.serial)
            return _whole(AgentType.CLIPBOARD_GRAB, trimmed)
        if grab.selection not in self._grabbed[way]:
            return Fate.DROP
        self._grabbed[way].discard(grab.selection)
        return _whole(AgentType.CLIPBOARD_RELEASE, layout.encode(ClipboardRelease(), selection=grab.selection))

    def _release(self, way: Way, piece: AgentPiece) -> Fate:
        selection = self._layout().decode(ClipboardRelease, piece.data).selection
        if selection not in self._grabbed[way]:
            return Fate.DROP
        self._grabbed[way].discard(selection)
        return Fate.PASS

    def _request(self, way: Way, piece: AgentPiece) -> Fate:
        """Whoever sends this wants what comes the other way."""
        request = self._layout().decode(ClipboardRequest, piece.data)
        if request.content.type in self._rules.formats(way.back):
            return Fate.PASS
        self.ways[way.back].add(AgentType.CLIPBOARD, self._nothing(request.selection))
        return Fate.DROP

    def _clipboard(self, way: Way, piece: AgentPiece) -> Fate | bytes:
        layout = self._layout()
        try:
            clipboard = layout.decode(ClipboardData, piece.data)
        except RemoteProtocolError:
            return Fate.DROP  # Its receiver could make nothing of it either.
        kind, size = clipboard.content.type, piece.header.size - layout.prefix_bytes - 4
        if self._rules.passes(way, kind, size):
            self._still_passes[way] = lambda: self._rules.passes(way, kind, size)
            return Fate.PASS
        return _whole(AgentType.CLIPBOARD, self._nothing(clipboard.selection))

    def _nothing(self, selection: int) -> bytes:
        return self._layout().encode(ClipboardData(type=ClipboardFormat.NONE, data=b""), selection=selection)

    def _file(self, piece: AgentPiece) -> Fate:
        if len(piece.data) < 4:
            return Fate.DROP
        self._still_passes[Way.TO_DESKTOP] = lambda: self._files.allowed
        transfer = Cursor(piece.data).u32()
        if piece.header.type == AgentType.FILE_XFER_DATA:
            return Fate.PASS if self._files.goes_on(transfer) else Fate.DROP
        if self._files.start(transfer):
            return Fate.PASS
        self._refuse_file(transfer)
        return Fate.DROP

    def _refuse_file(self, transfer: int) -> None:
        client_caps = self._caps.get(Way.TO_DESKTOP, ())
        self._say(Way.FROM_DESKTOP, AgentType.FILE_XFER_STATUS, refusal(transfer, client_caps))

    def _say(self, way: Way, agent_type: AgentType, content: object) -> None:
        self.ways[way].add(agent_type, encode(content))


def _whole(agent_type: AgentType, body: bytes) -> bytes:
    """A message in one piece, to go in place of another one."""
    (data,) = split(agent_type, body)
    return data
