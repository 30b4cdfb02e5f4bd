"""Sound through SPICE."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def sound(plan: DomainPlan) -> list[ET.Element]:
    """An Intel HDA card, which Linux and Windows know without a driver of ours; silent, it costs nothing."""
    audio = ET.Element("audio", {"id": "1", "type": "spice" if plan.profile.sound else "none"})
    if not plan.profile.sound:
        return [audio]
    card = ET.Element("sound", {"model": "ich9"})
    ET.SubElement(card, "codec", {"type": "duplex"})
    ET.SubElement(card, "audio", {"id": "1"})
    ET.SubElement(card, "address", slots.address(slots.SOUND))
    return [card, audio]
