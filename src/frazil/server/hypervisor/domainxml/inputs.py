"""Keyboard and pointer."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def inputs(plan: DomainPlan) -> list[ET.Element]:
    """A virtio keyboard and tablet: absolute positions without the polling of a USB one."""
    elements = []
    for kind, slot in (("keyboard", slots.KEYBOARD), ("tablet", slots.TABLET)):
        element = ET.Element("input", {"type": kind, "bus": "virtio"})
        ET.SubElement(element, "address", slots.address(slot))
        elements.append(element)
    return elements
