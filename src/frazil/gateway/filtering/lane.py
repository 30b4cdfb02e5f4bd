"""One direction of a link: bytes in, the bytes that go on out, with a look at the messages that matter.

Bodies that only pass on are neither kept nor copied, however large they are: a run of such messages goes out as one
view. What is kept at most is a header, one message that is looked into, and our own messages that wait for the end of
a body that is under way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from frazil.model.errors import RemoteProtocolError
from frazil.spice.base_messages import BaseServer
from frazil.spice.fields import Buffer
from frazil.spice.framing import BODY_MAX_BYTES, HeaderKind, Message, encode
from frazil.spice.sub_lists import unfold

INSPECTED_MAX_BYTES = 64 << 10
"""Of a message that is looked into as a whole: lists, capabilities, one piece of an agent's message."""
WAITING_MAX_BYTES = 1 << 20
"""Of our own messages that wait for a body's end. A side that lets them pile up holds a body back on purpose."""
_MINI = struct.Struct("<HI")
_FULL = struct.Struct("<QHII")


class Verdict(Enum):
    """What is to become of a message, said when its header is there."""

    PASS = auto()
    DROP = auto()
    INSPECT = auto()
    """`Looks.inspect` gets it whole and says whether it goes on."""
    STREAM = auto()
    """`Looks.stream` gets its body piece by piece; the message itself does not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Who is asked. `verdict` must have no effect on the lane; the others may send."""

    verdict: Callable[[int, int], Verdict]
    inspect: Callable[[Message], bool]
    stream: Callable[[memoryview], None]
    dropped: Callable[[], None]
    """A message did not go on: dropped, streamed or taken by `inspect`."""
    unfolded: Callable[[int], None] | None = None
    """One message turns out to be so many; None where senders have no lists (clients)."""


class Lane:
    """Feed it one side's bytes; `out` is what the other side gets. The owner empties `out`."""

    __slots__ = (
        "_body",
        "_body_max",
        "_head",
        "_kind",
        "_left",
        "_looks",
        "_message",
        "_verdict",
        "_waiting",
        "_waiting_bytes",
        "out",
    )

    def __init__(self, kind: HeaderKind, looks: Looks, *, body_max_bytes: int = BODY_MAX_BYTES) -> None:
        self._kind = kind
        self._looks = looks
        self._body_max = body_max_bytes
        self._head = bytearray()
        self._message = Message(0, 0, memoryview(b""))
        self._verdict = Verdict.PASS
        self._left = 0
        self._body = bytearray()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.out: list[Buffer] = []

    def send(self, number: int, body: Buffer = b"") -> None:
        """A message of our own, now or when the body that is under way has passed. Raises RemoteProtocolError."""
        # A client that waits for serials of this link would be misled by a new one; none waits for the last one again.
        packet = encode(self._kind, number, body, serial=self._message.serial)
        if not (self._verdict is Verdict.PASS and self._left):
            self.out.append(packet)
            return
        self._waiting.append(packet)
        self._waiting_bytes += len(packet)
        if self._waiting_bytes > WAITING_MAX_BYTES:
            raise RemoteProtocolError("A message is held back while others wait behind it.")

    def feed(self, data: bytes) -> None:
        """Raises RemoteProtocolError for what breaks the protocol or its limits."""
        view = memoryview(data)
        header_bytes = self._kind.value
        at = run = 0  # view[run:at] goes on and is not out yet.
        while at < len(view):
            if self._left:
                at, run = self._continue(view, at, run)
                continue
            begins = at
            if self._head or len(view) - at < header_bytes:
                self._emit(view[run:at])
                part = view[at : at + header_bytes - len(self._head)]
                self._head += part
                at = run = at + len(part)
                if len(self._head) < header_bytes:
                    break
                header: Buffer = bytes(self._head)
                self._head.clear()
            else:
                at += header_bytes
                header = view[begins:at]
            self._begin(header)
            if self._verdict is Verdict.PASS:
                if run == at:
                    self.out.append(header)
                if not self._left:
                    at, run = self._boundary(view, at, run)
                continue
            self._emit(view[run:begins])
            run = at
            if not self._left:
                self._end(memoryview(b""))
        self._emit(view[run:at])

    def _emit(self, part: memoryview) -> None:
        if part:
            self.out.append(part)

    def _begin(self, header: Buffer) -> None:
        serial, sub_list = 0, 0
        if self._kind is HeaderKind.MINI:
            number, size = _MINI.unpack(header)
        else:
            serial, number, size, sub_list = _FULL.unpack(header)
        if size > self._body_max:
            raise RemoteProtocolError(f"A message of {size} bytes is over the limit of {self._body_max}.")
        if self._looks.unfolded is not None and (number == BaseServer.LIST or sub_list):
            verdict = Verdict.INSPECT
        else:
            verdict, sub_list = self._looks.verdict(number, size), 0
        if verdict is Verdict.INSPECT and size > INSPECTED_MAX_BYTES:
            raise RemoteProtocolError(f"Message {number} has {size} bytes; {INSPECTED_MAX_BYTES} is the most for it.")
        self._message = Message(number, size, memoryview(b""), serial, sub_list)
        self._verdict = verdict
        self._left = size

    def _continue(self, view: memoryview, at: int, run: int) -> tuple[int, int]:
        """Go on in a body: how far we are then, and where what goes on begins."""
        taken = min(self._left, len(view) - at)
        self._left -= taken
        if self._verdict is Verdict.PASS:
            return (at + taken, run) if self._left else self._boundary(view, at + taken, run)
        piece = view[at : at + taken]
        if self._verdict is Verdict.STREAM:
            self._looks.stream(piece)
            if not self._left:
                self._looks.dropped()
        elif self._verdict is Verdict.INSPECT:
            if self._left or self._body:
                self._body += piece
            if not self._left:
                body, self._body = (memoryview(bytes(self._body)), bytearray()) if self._body else (piece, self._body)
                self._end(body)
        elif not self._left:
            self._looks.dropped()
        return at + taken, at + taken

    def _boundary(self, view: memoryview, at: int, run: int) -> tuple[int, int]:
        """A message that goes on is over: what waited for that goes out."""
        if not self._waiting:
            return at, run
        self._emit(view[run:at])
        self.out += self._waiting
        self._waiting.clear()
        self._waiting_bytes = 0
        return at, at

    def _end(self, body: memoryview) -> None:
        """A message that does not simply pass is whole."""
        got = self._message
        message = Message(got.type, got.size, body, got.serial, got.sub_list)
        if self._verdict is not Verdict.INSPECT:
            self._looks.dropped()
        elif self._looks.unfolded is not None and (message.type == BaseServer.LIST or message.sub_list):
            parts = list(unfold(message))
            self._looks.unfolded(len(parts))
            for part in parts:
                self._unfolded(part)
        elif self._looks.inspect(message):
            self._pass_on(message)
        else:
            self._looks.dropped()

    def _unfolded(self, part: Message) -> None:
        verdict = self._looks.verdict(part.type, part.size)
        if verdict is Verdict.STREAM:
            self._looks.stream(part.body)
        if verdict is Verdict.PASS or (verdict is Verdict.INSPECT and self._looks.inspect(part)):
            self._pass_on(part)
        else:
            self._looks.dropped()

    def _pass_on(self, message: Message) -> None:
        self.out.append(encode(self._kind, message.type, message.body, serial=self._message.serial))
