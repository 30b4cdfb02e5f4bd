"""CPU model and hypervisor features."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml.memory import QEMU
from frazil.server.hypervisor.port import DomainPlan

TCG_CACHE_MIB = 32
"""QEMU's translation cache takes up to 1 GiB if left alone (clones.md, trap 7), and it fills whatever it may have.

In one trial a used fork took 291 MiB with 128, 212 with 64 and 178 with 32, and was no slower with less."""


def features(plan: DomainPlan) -> ET.Element:
    """ACPI for power-off and hot-plug, the APIC, and a bound on the translation cache when emulating."""
    element = ET.Element("features")
    ET.SubElement(element, "acpi")
    ET.SubElement(element, "apic")
    if not plan.kvm:
        tcg = ET.SubElement(element, "tcg")
        ET.SubElement(tcg, "tb-cache", {"unit": "MiB"}).text = str(TCG_CACHE_MIB)
    return element


def cpu(plan: DomainPlan) -> ET.Element:
    """The host's model under KVM; all that QEMU can emulate without it."""
    if plan.kvm:
        return ET.Element("cpu", {"mode": "host-model", "check": "partial"})
    return ET.Element("cpu", {"mode": "maximum", "check": "none"})


def asked_at_once(plan: DomainPlan) -> list[ET.Element]:
    """Have libvirt read an emulated CPU's features in two questions to QEMU.

    It asks for each of some 400 properties in a question of its own where QEMU knows `unavailable-features`, which
    is half of the time that a start takes (docs/explanation/forks.md). Nothing is checked of a CPU with check='none',
    and a host's own CPU is left to libvirt's usual way.
    """
    if plan.kvm:
        return []
    capabilities = ET.Element(f"{{{QEMU}}}capabilities")
    ET.SubElement(capabilities, f"{{{QEMU}}}del", {"capability": "cpu-unavailable-features"})
    return [capabilities]
