"""The clipboard's messages, whose layout depends on capabilities (spice-protocol `vd_agent.h`, `VDAgentClipboard*`).

With `CLIPBOARD_SELECTION` each of them begins with the selection (u8) and three bytes of nothing; with
`CLIPBOARD_GRAB_SERIAL` a grab has a u32 serial behind that. A side uses what the *other* side announced.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Generic, TypeVar

from frazil.spice.agent_messages import AgentCap
from frazil.spice.capabilities import has
from frazil.spice.fields import U8, U32, Buffer, Octets, Rest, U32sToEnd
from frazil.spice.records import decode, encode, record

T = TypeVar("T")


class ClipboardFormat(IntEnum):
    """`VD_AGENT_CLIPBOARD_*`: what is on a clipboard."""

    NONE = 0
    UTF8_TEXT = 1
    IMAGE_PNG = 2
    IMAGE_BMP = 3
    IMAGE_TIFF = 4
    IMAGE_JPG = 5
    FILE_LIST = 6


class Selection(IntEnum):
    """Which clipboard; without the capability it is the first one."""

    CLIPBOARD = 0
    PRIMARY = 1
    SECONDARY = 2


@record
class _Selected:
    selection: U8
    reserved: Annotated[Buffer, Octets(3)]
    body: Rest


@record
class _Serial:
    serial: U32
    body: Rest


@record
class ClipboardGrab:
    """I have something; it can be had in these formats."""

    types: U32sToEnd


@record
class ClipboardRequest:
    """Give me what you have, in this format."""

    type: U32


@record
class ClipboardData:
    """What was asked for. `NONE` and no data is a refusal."""

    type: U32
    data: Rest


@record
class ClipboardRelease:
    """I have nothing any more."""


@dataclass(frozen=True, slots=True)
class Clipboard(Generic[T]):
    """One of the records above, and what stood before it."""

    content: T
    selection: int
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipboardLayout:
    """Which of the optional fields messages to one side have."""

    selection: bool = False
    serial: bool = False

    @classmethod
    def between(cls, sender_caps: tuple[int, ...], receiver_caps: tuple[int, ...]) -> ClipboardLayout:
        """What a sender uses that can do it, to a receiver that has announced it."""
        both = [
            has(sender_caps, cap) and has(receiver_caps, cap)
            for cap in (AgentCap.CLIPBOARD_SELECTION, AgentCap.CLIPBOARD_GRAB_SERIAL)
        ]
        return cls(selection=both[0], serial=both[1])

    @property
    def prefix_bytes(self) -> int:
        """What comes before the fields of any of these messages."""
        return 4 if self.selection else 0

    def decode(self, record_class: type[T], body: Buffer | bytearray) -> Clipboard[T]:
        """Raises RemoteProtocolError."""
        selection, serial = int(Selection.CLIPBOARD), 0
        if self.selection:
            selected = decode(_Selected, body)
            selection, body = selected.selection, selected.body
        if self.serial and record_class is ClipboardGrab:
            counted = decode(_Serial, body)
            serial, body = counted.serial, counted.body
        return Clipboard(decode(record_class, body), selection=selection, serial=serial)

    def encode(self, content: object, *, selection: int = Selection.CLIPBOARD, serial: int = 0) -> bytes:
        """The whole message, without the agent's header. What the layout has no field for is left out."""
        body = encode(content)
        if self.serial and type(content) is ClipboardGrab:
            body = encode(_Serial(serial=serial, body=body))
        if self.selection:
            body = encode(_Selected(selection=selection, reserved=b"\0\0\0", body=body))
        return body
