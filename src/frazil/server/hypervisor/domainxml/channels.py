"""The virtio-serial ports by which host and guest talk."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan

AGENT = "org.qemu.guest_agent.0"
GUEST_SERVICE = "org.frazil.guest"
SPICE_AGENT = "com.redhat.spice.0"


def channels(plan: DomainPlan) -> list[ET.Element]:
    """QEMU's guest agent, our guest service, the SPICE agent. libvirt chooses the sockets' paths."""
    controller = ET.Element("controller", {"type": "virtio-serial", "index": "0", "ports": "16"})
    ET.SubElement(controller, "address", slots.address(slots.SERIAL))
    elements = [controller]
    for port, (kind, name) in enumerate((("unix", AGENT), ("unix", GUEST_SERVICE), ("spicevmc", SPICE_AGENT)), 1):
        channel = ET.Element("channel", {"type": kind})
        ET.SubElement(channel, "target", {"type": "virtio", "name": name})
        ET.SubElement(channel, "address", {"type": "virtio-serial", "controller": "0", "bus": "0", "port": str(port)})
        elements.append(channel)
    return elements


def guest_socket(domain: ET.Element) -> str | None:
    """The host's path of a running domain's guest service port."""
    for channel in domain.iterfind("devices/channel[@type='unix']"):
        target, source = channel.find("target"), channel.find("source")
        if target is not None and source is not None and target.get("name") == GUEST_SERVICE:
            return source.get("path")
    return None
