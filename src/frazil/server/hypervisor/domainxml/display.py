"""SPICE and the graphics card."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def graphics(plan: DomainPlan) -> list[ET.Element]:
    """SPICE that listens nowhere: the server opens displays through libvirt (spice.md).

    Images are compressed with LZ, which every client decodes (browser clients know no GLZ).
    """
    spice = ET.Element("graphics", {"type": "spice"})
    ET.SubElement(spice, "listen", {"type": "none"})
    ET.SubElement(spice, "image", {"compression": "auto_lz"})
    ET.SubElement(spice, "jpeg", {"compression": "never"})
    ET.SubElement(spice, "zlib", {"compression": "never"})
    ET.SubElement(spice, "streaming", {"mode": "filter"})
    ET.SubElement(spice, "gl", {"enable": "no"})
    return [spice]


def video(plan: DomainPlan) -> list[ET.Element]:
    """One head of virtio-gpu in two dimensions: its picture survives a fork (docs/adr/0001-virtio-gpu.md)."""
    element = ET.Element("video")
    ET.SubElement(element, "model", {"type": "virtio", "heads": "1", "primary": "yes"})
    ET.SubElement(element, "address", slots.address(slots.VIDEO))
    return [element]
