"""The NIC: isolated from every other guest, on a seat that the host's firewall knows."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def interfaces(plan: DomainPlan) -> list[ET.Element]:
    """One virtio NIC on the host's Frazil network; none when the profile or the host has none."""
    if plan.network is None or plan.profile.network == "none":
        return []
    interface = ET.Element("interface", {"type": "network"})
    ET.SubElement(interface, "mac", {"address": plan.network.mac})
    ET.SubElement(interface, "source", {"network": plan.network.network})
    ET.SubElement(interface, "target", {"dev": plan.network.tap})
    ET.SubElement(interface, "model", {"type": "virtio"})
    ET.SubElement(interface, "port", {"isolated": "yes"})
    ET.SubElement(interface, "rom", {"enabled": "no"})
    ET.SubElement(interface, "address", slots.address(0, bus=slots.NIC_BUS))
    return [interface]
