"""Machine type and what boots."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.port import DomainPlan

MACHINE = "pc-q35-7.2"
"""A versioned machine type: an unversioned one would change the guest's hardware under a frozen template."""


def os(plan: DomainPlan) -> ET.Element:
    """The `<os>` element: our kernel directly, or the disk's own boot loader."""
    element = ET.Element("os")
    ET.SubElement(element, "type", {"arch": "x86_64", "machine": MACHINE}).text = "hvm"
    if plan.boot is None:
        ET.SubElement(element, "boot", {"dev": "hd"})
        return element
    ET.SubElement(element, "kernel").text = str(plan.boot.kernel)
    ET.SubElement(element, "initrd").text = str(plan.boot.initrd)
    ET.SubElement(element, "cmdline").text = plan.boot.cmdline
    return element
