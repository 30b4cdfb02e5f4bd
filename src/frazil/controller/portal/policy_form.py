"""What may pass, as boxes in a form."""

from __future__ import annotations

from collections.abc import Mapping

from frazil.controller.portal.forms import read
from frazil.controller.portal.reader import Reader
from frazil.model.policy import ClipboardType
from frazil.wire.policy import PolicyChange

MARK = "policy"
"""A field that is there when the boxes are: one that is not ticked sends nothing."""
_BOXES = (
    "clipboard_to_desktop",
    "clipboard_from_desktop",
    "files_to_desktop",
    "folders",
    "usb",
    "sound",
    "microphone",
)
_TYPES = {"clipboard_text": ClipboardType.TEXT, "clipboard_images": ClipboardType.IMAGE}


def policy_of(form: Mapping[str, str], reader: Reader) -> PolicyChange | None:
    """What the boxes say; None when they were not in the form. Raises WrongForm."""
    if MARK not in form:
        return None
    values: dict[str, object] = {name: name in form for name in _BOXES}
    values["clipboard_types"] = [kind for name, kind in _TYPES.items() if name in form]
    values["clipboard_max_kib"] = form.get("clipboard_max_kib", "")
    values["usb_filters"] = form.get("usb_filters", "").split()
    return read(PolicyChange, values, reader)
