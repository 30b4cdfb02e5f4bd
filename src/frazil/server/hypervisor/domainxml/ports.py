"""The root bus and the root ports reserved for hot-plug."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def ports(plan: DomainPlan) -> list[ET.Element]:
    """One pcie-root and the reserved pcie-root-ports, each with its bus number as index."""
    root = ET.Element("controller", {"type": "pci", "index": "0", "model": "pcie-root"})
    elements = [root]
    for function, bus in enumerate(slots.RESERVED_BUSES):
        port = ET.Element("controller", {"type": "pci", "index": str(bus), "model": "pcie-root-port"})
        ET.SubElement(port, "target", {"chassis": str(bus), "port": f"0x{0x80 + function:02x}"})
        place = slots.address(slots.PORTS) | {"function": f"0x{function}"}
        if function == 0:
            place["multifunction"] = "on"
        ET.SubElement(port, "address", place)
        elements.append(port)
    return elements
