"""The guest's clocks: as few timer interrupts as can be."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.port import DomainPlan


def clock(plan: DomainPlan) -> ET.Element:
    """UTC without an HPET, which a guest would otherwise read, slowly, for every time stamp."""
    element = ET.Element("clock", {"offset": "utc"})
    ET.SubElement(element, "timer", {"name": "rtc", "tickpolicy": "catchup"})
    ET.SubElement(element, "timer", {"name": "pit", "tickpolicy": "delay"})
    ET.SubElement(element, "timer", {"name": "hpet", "present": "no"})
    if plan.kvm:
        ET.SubElement(element, "timer", {"name": "kvmclock", "present": "yes"})
    return element
