"""Our label in a domain's `<metadata>`, written and read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.model.desktop import Epoch
from frazil.server.hypervisor.port import Labels, Role

NAMESPACE = "https://frazil.org/xmlns/domain/1"

ET.register_namespace("frazil", NAMESPACE)


def metadata(labels: Labels) -> ET.Element:
    """The `<metadata>` element of one of our domains."""
    element = ET.Element("metadata")
    ET.SubElement(
        element,
        f"{{{NAMESPACE}}}desktop",
        {
            "installation": labels.installation_id,
            "id": labels.desktop_id,
            "epoch-generation": str(labels.epoch.generation),
            "epoch-counter": str(labels.epoch.counter),
            "attempt": str(labels.attempt),
            "pool": labels.pool_id,
            "name": labels.name,
            "role": labels.role.value,
        },
    )
    return element


def read(domain: ET.Element) -> Labels | None:
    """The labels on a domain, or None when it carries none that can be read: then it is foreign."""
    element = domain.find(f"metadata/{{{NAMESPACE}}}desktop")
    if element is None:
        return None
    try:
        return Labels(
            installation_id=element.attrib["installation"],
            desktop_id=element.attrib["id"],
            epoch=Epoch(int(element.attrib["epoch-generation"]), int(element.attrib["epoch-counter"])),
            attempt=int(element.attrib["attempt"]),
            pool_id=element.attrib["pool"],
            name=element.attrib["name"],
            role=Role(element.get("role", Role.DESKTOP.value)),
        )
    except (KeyError, ValueError):
        return None
