"""A `model.policy.Policy` between processes and in REST bodies."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from frazil.model import usb_filter
from frazil.model.errors import InvalidInput
from frazil.model.policy import CLIPBOARD_MAX_KIB, ClipboardType, Policy
from frazil.wire.base import Message, Request

USB_FILTERS_MAX = 8
USB_FILTER_WRONG = "usb_filter"
"""The type of pydantic's error for a filter that can't be read."""


def _only_known(types: object) -> object:
    """What a newer peer allows besides is nothing that this one could let pass."""
    if isinstance(types, (list, tuple, set, frozenset)):
        return sorted(one for one in types if one in frozenset(ClipboardType))
    return types


def _usb_filter(text: str) -> str:
    try:
        usb_filter.parse(text)
    except InvalidInput as exc:
        raise PydanticCustomError(USB_FILTER_WRONG, "{why}", {"why": str(exc).rstrip(".")}) from exc
    return text


class PolicyField(Message):
    """See `model.policy.Policy`; what is left out is allowed."""

    clipboard_to_desktop: bool = True
    clipboard_from_desktop: bool = True
    clipboard_types: Annotated[list[ClipboardType], BeforeValidator(_only_known)] = sorted(ClipboardType)
    clipboard_max_kib: int = CLIPBOARD_MAX_KIB
    files_to_desktop: bool = True
    folders: bool = True
    usb: bool = True
    usb_filters: list[str] = []
    sound: bool = True
    microphone: bool = True

    @classmethod
    def of(cls, policy: Policy) -> PolicyField:
        return cls.model_validate(policy, from_attributes=True)

    def value(self) -> Policy:
        lists = {"clipboard_types": frozenset(self.clipboard_types), "usb_filters": tuple(self.usb_filters)}
        return Policy(**{**dict(self), **lists})


class PolicyChange(Request):
    """What is named changes, the rest stays; in a new pool or user what is left out is allowed."""

    clipboard_to_desktop: bool | None = None
    clipboard_from_desktop: bool | None = None
    clipboard_types: list[ClipboardType] | None = None
    clipboard_max_kib: int | None = Field(None, ge=1, le=CLIPBOARD_MAX_KIB, description="The most that one copy may be")
    files_to_desktop: bool | None = Field(None, description="Files that are dropped on the viewer or copied")
    folders: bool | None = Field(None, description="A folder of the person's machine, shown in the desktop")
    usb: bool | None = None
    usb_filters: list[Annotated[str, AfterValidator(_usb_filter)]] | None = Field(
        None, max_length=USB_FILTERS_MAX, description="usbredir's rules; a device must pass each of these lists"
    )
    sound: bool | None = None
    microphone: bool | None = None

    def applied_to(self, policy: Policy) -> Policy:
        changes = {name: value for name, value in self if value is not None}
        if self.clipboard_types is not None:
            changes["clipboard_types"] = frozenset(self.clipboard_types)
        if self.usb_filters is not None:
            changes["usb_filters"] = tuple(dict.fromkeys(self.usb_filters))
        return replace(policy, **changes)
