"""USB devices that a person's client redirects."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def usb(plan: DomainPlan) -> list[ET.Element]:
    """An xHCI controller with as many redirection channels as the profile says; none at all when zero."""
    if plan.profile.usb_channels == 0:
        return [ET.Element("controller", {"type": "usb", "model": "none"})]
    controller = ET.Element(
        "controller",
        {"type": "usb", "index": "0", "model": "qemu-xhci", "ports": str(max(4, plan.profile.usb_channels))},
    )
    ET.SubElement(controller, "address", slots.address(slots.USB))
    elements = [controller]
    for port in range(1, plan.profile.usb_channels + 1):
        redirection = ET.Element("redirdev", {"bus": "usb", "type": "spicevmc"})
        ET.SubElement(redirection, "address", {"type": "usb", "bus": "0", "port": str(port)})
        elements.append(redirection)
    return elements
