"""The virtio-serial ports by which host and guest talk."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan

AGENT = "org.qemu.guest_agent.0"
GUEST_SERVICE = "org.frazil.guest"
SPICE_AGENT = "com.redhat.spice.0"
FOLDER = "org.spice-space.webdav.0"
"""A folder of the viewer's machine, as WebDAV; by its name spice-server knows what the channel is."""


def channels(plan: DomainPlan) -> list[ET.Element]:
    """QEMU's guest agent, our guest service, the SPICE agent, a viewer's folder. libvirt chooses the sockets' paths."""
    controller = ET.Element("controller", {"type": "virtio-serial", "index": "0", "ports": "16"})
    ET.SubElement(controller, "address", slots.address(slots.SERIAL))
    elements = [controller]
    ports = (("unix", AGENT), ("unix", GUEST_SERVICE), ("spicevmc", SPICE_AGENT), ("spiceport", FOLDER))
    for port, (kind, name) in enumerate(ports, 1):
        channel = ET.Element("channel", {"type": kind})
        if kind == "spiceport":
            ET.SubElement(channel, "source", {"channel": name})
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
