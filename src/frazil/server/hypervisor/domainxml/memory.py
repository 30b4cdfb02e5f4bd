"""Guest memory, and how a fork shares its template's.

libvirt has no words for a named memory file that is mapped privately, so QEMU is told directly: the machine's memory
is a `memory-backend-file` of ours instead of libvirt's own `pc.ram` (later `-machine` keys win over earlier ones).
Tried on libvirt 9.0 and QEMU 7.2 (docs/reference/fork-matrix.md).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.port import DomainPlan

QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
BACKEND = "frazil-ram"
"""Also the RAM block's name in the frozen state: a template and its forks must agree on it."""

ET.register_namespace("qemu", QEMU)


def memory(plan: DomainPlan) -> list[ET.Element]:
    """Size, no dump of it anywhere, and whether KSM may merge it (`mem-merge`, which a backend of ours heeds too)."""
    size = ET.Element("memory", {"unit": "MiB", "dumpCore": "off"})
    size.text = str(plan.profile.memory_mib)
    if plan.share_memory:
        return [size]
    backing = ET.Element("memoryBacking")
    ET.SubElement(backing, "nosharepages")
    return [size, backing]


def command_line(plan: DomainPlan) -> list[ET.Element]:
    """What only QEMU itself understands; nothing for a domain with memory of its own."""
    if plan.ram is None:
        return []
    if "," in str(plan.ram.path):
        raise ValueError(f"QEMU takes a comma in {plan.ram.path} for the end of the path")
    share = "off" if plan.ram.private else "on"
    backend = f"memory-backend-file,id={BACKEND},size={plan.profile.memory_mib}M,mem-path={plan.ram.path},share={share}"
    arguments = ["-object", backend, "-machine", f"memory-backend={BACKEND}"]
    if plan.ram.private:
        arguments += ["-incoming", "defer"]
    element = ET.Element(f"{{{QEMU}}}commandline")
    for argument in arguments:
        ET.SubElement(element, f"{{{QEMU}}}arg", {"value": argument})
    return [element]
