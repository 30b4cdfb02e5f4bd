"""What may be copied: by direction, kind and size. Lists of files that are copied follow the rules of files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from frazil.model.policy import CLIPBOARD_MAX_KIB, ClipboardType, Policy
from frazil.spice.agent_clipboard import ClipboardFormat
from frazil.spice.agent_messages import AgentCap
from frazil.spice.capabilities import with_bit, without

_FORMATS = {
    ClipboardType.TEXT: frozenset({ClipboardFormat.UTF8_TEXT}),
    ClipboardType.IMAGE: frozenset(
        {
            ClipboardFormat.IMAGE_PNG,
            ClipboardFormat.IMAGE_BMP,
            ClipboardFormat.IMAGE_TIFF,
            ClipboardFormat.IMAGE_JPG,
        }
    ),
}
_FILES = frozenset({ClipboardFormat.FILE_LIST})
_CLIPBOARD_CAPS = (
    AgentCap.CLIPBOARD,
    AgentCap.CLIPBOARD_BY_DEMAND,
    AgentCap.CLIPBOARD_SELECTION,
    AgentCap.MAX_CLIPBOARD,
    AgentCap.CLIPBOARD_NO_RELEASE_ON_REGRAB,
    AgentCap.CLIPBOARD_GRAB_SERIAL,
)


class Way(Enum):
    """Where a message goes."""

    TO_DESKTOP = auto()
    FROM_DESKTOP = auto()

    @property
    def back(self) -> Way:
        return Way.FROM_DESKTOP if self is Way.TO_DESKTOP else Way.TO_DESKTOP


@dataclass(frozen=True, slots=True)
class CopyRules:
    """A policy's rules of copying."""

    policy: Policy

    def formats(self, way: Way) -> frozenset[int]:
        """What may be copied this way."""
        p = self.policy
        copying = p.clipboard_to_desktop if way is Way.TO_DESKTOP else p.clipboard_from_desktop
        formats: frozenset[int] = frozenset()
        if copying:
            formats = formats.union(*(_FORMATS[kind] for kind in p.clipboard_types))
        # The paths lead into the shared folder, by which the files themselves come.
        if p.folders and (way is Way.FROM_DESKTOP or p.files_to_desktop):
            formats |= _FILES
        return formats

    def passes(self, way: Way, copied: int, size: int) -> bool:
        """Whether `size` bytes of this format may pass. A refusal to give anything always may."""
        if copied == ClipboardFormat.NONE:
            return size == 0
        kib = CLIPBOARD_MAX_KIB if copied == ClipboardFormat.FILE_LIST else self.policy.clipboard_max_kib
        return copied in self.formats(way) and size <= kib * 1024

    def max_bytes(self, wanted: int) -> int:
        """The most that a side is told to give, when the other one takes `wanted` (-1 is any number)."""
        most = self.policy.clipboard_max_kib * 1024
        return most if wanted < 0 else min(wanted, most)

    def announced(self, caps: tuple[int, ...], *, by_desktop: bool) -> tuple[int, ...]:
        """The capabilities that the other side hears of."""
        both = self.formats(Way.TO_DESKTOP), self.formats(Way.FROM_DESKTOP)
        if not any(both):
            for cap in _CLIPBOARD_CAPS:
                caps = without(caps, cap)
        if not all(formats == frozenset(ClipboardFormat) - {ClipboardFormat.NONE} for formats in both):
            # Grabs are numbered on both sides, and one that we drop would be missed by its receiver's count.
            caps = without(caps, AgentCap.CLIPBOARD_GRAB_SERIAL)
        if by_desktop and not self.policy.files_to_desktop:
            caps = with_bit(caps, AgentCap.FILE_XFER_DISABLED)
        return caps
