"""What may pass between a person's own machine and the desktop they use. Kept per pool and per person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CLIPBOARD_MAX_KIB = 16 * 1024
"""Nothing larger is ever copied: the gateway holds one copy in memory."""


class ClipboardType(StrEnum):
    """What can be copied. Files that are copied follow the rules of files, not these."""

    TEXT = "text"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One set of permissions; everything that is not forbidden is allowed.

    `usb_filters` are lists of rules as usbredir writes them (``class,vendor,product,version,allow`` joined by ``|``);
    a device must pass each of them.
    """

    clipboard_to_desktop: bool = True
    clipboard_from_desktop: bool = True
    clipboard_types: frozenset[ClipboardType] = frozenset(ClipboardType)
    clipboard_max_kib: int = CLIPBOARD_MAX_KIB
    files_to_desktop: bool = True
    folders: bool = True
    usb: bool = True
    usb_filters: tuple[str, ...] = ()
    sound: bool = True
    microphone: bool = True

    def forbidden(self) -> tuple[str, ...]:
        """What does not pass, in words; empty when everything does."""
        said = (
            (self.clipboard_to_desktop, "copying into the desktop"),
            (self.clipboard_from_desktop, "copying out of the desktop"),
            (ClipboardType.TEXT in self.clipboard_types, "copying text"),
            (ClipboardType.IMAGE in self.clipboard_types, "copying images"),
            (self.clipboard_max_kib >= CLIPBOARD_MAX_KIB, f"copies over {self.clipboard_max_kib} KiB"),
            (self.files_to_desktop, "files into the desktop"),
            (self.folders, "shared folders"),
            (self.usb, "USB devices"),
            (not (self.usb and self.usb_filters), "some USB devices"),
            (self.sound, "sound"),
            (self.microphone, "the microphone"),
        )
        return tuple(words for passes, words in said if not passes)

    def narrowed(self, other: Policy) -> Policy:
        """What both allow."""
        return Policy(
            clipboard_to_desktop=self.clipboard_to_desktop and other.clipboard_to_desktop,
            clipboard_from_desktop=self.clipboard_from_desktop and other.clipboard_from_desktop,
            clipboard_types=self.clipboard_types & other.clipboard_types,
            clipboard_max_kib=min(self.clipboard_max_kib, other.clipboard_max_kib),
            files_to_desktop=self.files_to_desktop and other.files_to_desktop,
            folders=self.folders and other.folders,
            usb=self.usb and other.usb,
            usb_filters=tuple(dict.fromkeys((*self.usb_filters, *other.usb_filters))),
            sound=self.sound and other.sound,
            microphone=self.microphone and other.microphone,
        )
