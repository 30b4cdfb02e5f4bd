"""Randomness for the guest."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def rng(plan: DomainPlan) -> list[ET.Element]:
    """virtio-rng from the host's own source, so that no boot waits for entropy."""
    element = ET.Element("rng", {"model": "virtio"})
    ET.SubElement(element, "backend", {"model": "random"}).text = "/dev/urandom"
    ET.SubElement(element, "address", slots.address(slots.RNG))
    return [element]
