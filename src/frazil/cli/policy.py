"""The options of what may pass between a desktop and a person's machine."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from frazil.cli.validated import valid
from frazil.model.errors import InvalidInput
from frazil.model.policy import ClipboardType, Policy
from frazil.wire.policy import PolicyChange, PolicyField


class Passage(StrEnum):
    """What `--forbid` and `--allow` take."""

    CLIPBOARD_IN = "clipboard-in"
    CLIPBOARD_OUT = "clipboard-out"
    CLIPBOARD_TEXT = "clipboard-text"
    CLIPBOARD_IMAGES = "clipboard-images"
    FILES = "files"
    FOLDERS = "folders"
    USB = "usb"
    SOUND = "sound"
    MICROPHONE = "microphone"


_TYPES = {Passage.CLIPBOARD_TEXT: ClipboardType.TEXT, Passage.CLIPBOARD_IMAGES: ClipboardType.IMAGE}
_FIELDS = {
    Passage.CLIPBOARD_IN: "clipboard_to_desktop",
    Passage.CLIPBOARD_OUT: "clipboard_from_desktop",
    Passage.FILES: "files_to_desktop",
    Passage.FOLDERS: "folders",
    Passage.USB: "usb",
    Passage.SOUND: "sound",
    Passage.MICROPHONE: "microphone",
}

Forbid = Annotated[
    list[Passage] | None, typer.Option("--forbid", help="What may not pass. Give it again for each further thing.")
]
Allow = Annotated[list[Passage] | None, typer.Option("--allow", help="What may pass again. Give it again for each.")]
ClipboardMax = Annotated[
    int | None, typer.Option("--clipboard-max", metavar="KIB", help="The most that one copy may be.")
]
UsbFilter = Annotated[
    list[str] | None,
    typer.Option(
        "--usb-filter",
        metavar="RULES",
        help="Only the USB devices that these rules let pass: class,vendor,product,version,allow, joined by |. "
        "Given again: a device must pass each. An empty one takes all filters away.",
    ),
]


def change(
    before: Policy,
    *,
    forbid: Sequence[Passage] | None,
    allow: Sequence[Passage] | None = None,
    clipboard_max_kib: int | None,
    usb_filters: Sequence[str] | None,
) -> PolicyChange | None:
    """What the options ask for, where `before` holds now; None when they ask for nothing. Raises InvalidInput."""
    forbidden, allowed = set(forbid or ()), set(allow or ())
    if both := forbidden & allowed:
        raise InvalidInput(f"{min(both)} is both forbidden and allowed.", remedy="Say one of them.", field="forbid")
    values: dict[str, object] = {_FIELDS[one]: one in allowed for one in forbidden | allowed if one in _FIELDS}
    types = {_TYPES[one]: one in allowed for one in forbidden | allowed if one in _TYPES}
    if types:
        values["clipboard_types"] = [one for one in ClipboardType if types.get(one, one in before.clipboard_types)]
    if clipboard_max_kib is not None:
        values["clipboard_max_kib"] = clipboard_max_kib
    if usb_filters is not None:
        values["usb_filters"] = [rules for rules in usb_filters if rules]
    return valid(PolicyChange, **values) if values else None


def pairs(field: PolicyField) -> list[tuple[str, str]]:
    """What is shown of a policy."""
    policy = field.value()
    return [
        ("May not pass", "; ".join(policy.forbidden()) or "nothing is forbidden"),
        ("USB filters", "  ".join(policy.usb_filters)),
    ]
