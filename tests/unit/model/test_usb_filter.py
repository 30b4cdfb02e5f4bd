"""The one-line form of USB filters."""

from __future__ import annotations

import pytest

from frazil.model.errors import InvalidInput
from frazil.model.usb_filter import ANY, RULES_MAX, UsbDevice, UsbRule, parse, passes


def test_rules_are_read_in_their_order() -> None:
    assert parse("0x03,-1,-1,-1,0|-1,1133,0xC52b,-1,1") == (
        UsbRule(device_class=3, vendor=ANY, product=ANY, version=ANY, allow=False),
        UsbRule(device_class=ANY, vendor=1133, product=0xC52B, version=ANY, allow=True),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "-1,-1,-1,-1,1|",
        "-1,-1,-1,1",
        "-1,-1,-1,-1,-1,1",
        "256,-1,-1,-1,1",
        "-2,-1,-1,-1,1",
        "-1,65536,-1,-1,1",
        "-1,-1,0x10000,-1,1",
        "-1,-1,-1,-1,2",
        "-1,-1,-1,-1,-1",
        "010,-1,-1,-1,1",
        " 3,-1,-1,-1,1",
        "storage,-1,-1,-1,0",
        "٣,-1,-1,-1,1",
    ],
)
def test_what_is_no_rule_is_named_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is no rule for USB devices.*class,vendor,product,version,allow"):
        parse(text)


def test_there_is_a_most() -> None:
    parse("|".join(["-1,-1,-1,-1,1"] * RULES_MAX))
    with pytest.raises(InvalidInput, match="at most 256 rules"):
        parse("|".join(["-1,-1,-1,-1,1"] * (RULES_MAX + 1)))


def device(
    *interfaces: tuple[int, int, int], device_class: int = 0, vendor: int = 1, product: int = 2, version: int = 3
) -> UsbDevice:
    return UsbDevice(device_class=device_class, vendor=vendor, product=product, version=version, interfaces=interfaces)


EVERYTHING, NO_STORAGE = "-1,-1,-1,-1,1", "0x08,-1,-1,-1,0|-1,-1,-1,-1,1"
HID, KEYLESS, STORAGE = (3, 1, 1), (3, 0, 0), (8, 6, 80)


# As libusbredirparser's usbredirfilter_check decides.
@pytest.mark.parametrize(
    ("rules", "shown", "may"),
    [
        (EVERYTHING, device(STORAGE), True),
        (NO_STORAGE, device(STORAGE), False),
        (NO_STORAGE, device(HID), True),
        (NO_STORAGE, device(HID, STORAGE), False),
        (NO_STORAGE, device(HID, device_class=8), False),
        ("3,-1,-1,-1,1", device(STORAGE), False),  # None fits: refused.
        ("-1,1,2,3,1", device(HID), True),
        ("-1,1,2,4,1", device(HID), False),
        ("-1,1,3,-1,1", device(HID), False),
        ("-1,2,-1,-1,1", device(HID), False),
        ("8,-1,-1,-1,1|3,-1,-1,-1,0", device(STORAGE, KEYLESS), True),  # Its buttons are not looked at.
        ("3,-1,-1,-1,0|-1,-1,-1,-1,1", device(KEYLESS), False),  # A single one is.
        ("3,-1,-1,-1,0|-1,-1,-1,-1,1", device(KEYLESS, KEYLESS), False),  # And when there is nothing else.
        ("0xef,-1,-1,-1,0|-1,-1,-1,-1,1", device(STORAGE, device_class=0xEF), True),
        ("-1,9,-1,-1,1", device(), False),  # Nothing said of it: its numbers decide.
        ("-1,1,-1,-1,1", device(), True),
    ],
)
def test_the_first_rule_that_fits_decides_for_each_class(rules: str, shown: UsbDevice, may: bool) -> None:
    assert passes(parse(rules), shown) is may
