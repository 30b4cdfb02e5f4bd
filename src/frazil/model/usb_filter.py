"""Rules of which USB devices may pass, in the one-line form that usbredir, QEMU and the viewers share.

One rule is ``class,vendor,product,version,allow``, rules are joined by ``|``, and -1 fits everything; numbers are
decimal or begin with 0x. The first rule that fits decides; a device that none fits is refused.
Source: usbredir's ``usbredirfilter.h`` and ``usbredirfilter.c``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from frazil.model.errors import InvalidInput

ANY = -1
RULES_MAX = 256
_CLASS_MAX = 0xFF
_NUMBER_MAX = 0xFFFF
_NUMBER = re.compile(r"-1|0|[1-9][0-9]{0,4}|0[xX][0-9a-fA-F]{1,4}")
"""No leading zero: usbredir reads such a number as octal, people do not."""
_REMEDY = (
    "Write each rule as class,vendor,product,version,allow with -1 for any, and join rules by |: "
    "0x08,-1,-1,-1,0|-1,-1,-1,-1,1 lets everything pass but storage."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbRule:
    """One rule; `ANY` in a field fits every device. `version` is ``bcdDevice``."""

    device_class: int
    vendor: int
    product: int
    version: int
    allow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbDevice:
    """What a device says of itself. `interfaces` are (class, subclass, protocol) of the chosen configuration."""

    device_class: int
    vendor: int
    product: int
    version: int
    interfaces: tuple[tuple[int, int, int], ...]


def passes(rules: tuple[UsbRule, ...], device: UsbDevice) -> bool:
    """Whether the rules let a device through: each of its classes has to pass.

    As usbredir's `usbredirfilter_check` does it: classes 0x00 and 0xef say nothing of a device as a whole, and a
    keyless HID interface beside others (the volume buttons of a headset) is not looked at unless there is nothing else.
    """
    keyless = [i for i in device.interfaces if len(device.interfaces) > 1 and i == (0x03, 0x00, 0x00)]
    looked_at = [i for i in device.interfaces if i not in keyless] or keyless
    classes = [i[0] for i in looked_at]
    if device.device_class not in (0x00, 0xEF):
        classes.append(device.device_class)
    # A device that says nothing of itself is judged by its numbers alone, never let through unseen.
    return all(_decide(rules, device, c) for c in classes or [device.device_class])


def _decide(rules: tuple[UsbRule, ...], device: UsbDevice, device_class: int) -> bool:
    for rule in rules:
        if (
            rule.device_class in (ANY, device_class)
            and rule.vendor in (ANY, device.vendor)
            and rule.product in (ANY, device.product)
            and rule.version in (ANY, device.version)
        ):
            return rule.allow
    return False


def parse(text: str) -> tuple[UsbRule, ...]:
    """The rules in `text`, in their order. Raises InvalidInput that names the rule at fault."""
    parts = text.split("|")
    if len(parts) > RULES_MAX:
        raise InvalidInput(f"A USB filter has at most {RULES_MAX} rules; this one has {len(parts)}.", remedy=_REMEDY)
    return tuple(_rule(part) for part in parts)


def _rule(text: str) -> UsbRule:
    fields = text.split(",")
    if len(fields) != 5 or not all(_NUMBER.fullmatch(field) for field in fields):
        raise _wrong(text)
    device_class, vendor, product, version, allow = (int(field, 0) for field in fields)
    if device_class > _CLASS_MAX or max(vendor, product, version) > _NUMBER_MAX or allow not in (0, 1):
        raise _wrong(text)
    return UsbRule(device_class=device_class, vendor=vendor, product=product, version=version, allow=allow == 1)


def _wrong(text: str) -> InvalidInput:
    return InvalidInput(f"{text[:60]!r} is no rule for USB devices.", remedy=_REMEDY)
