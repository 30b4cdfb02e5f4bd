"""Which QEMU runs a domain."""

from __future__ import annotations

import xml.etree.ElementTree as ET


def emulator() -> ET.Element:
    """Debian's and Ubuntu's QEMU for x86-64."""
    element = ET.Element("emulator")
    element.text = "/usr/bin/qemu-system-x86_64"
    return element
