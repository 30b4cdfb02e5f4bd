"""The system disk."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import slots
from frazil.server.hypervisor.port import DomainPlan


def disks(plan: DomainPlan) -> list[ET.Element]:
    """The desktop's own overlay, its chain's formats said so that nothing is ever probed.

    A disk that goes with its desktop is never flushed: after a loss of power it is made anew anyhow.
    """
    disk = ET.Element("disk", {"type": "file", "device": "disk"})
    ET.SubElement(
        disk,
        "driver",
        {"name": "qemu", "type": "qcow2", "cache": "writeback" if plan.keep_disk else "unsafe"}
        | {"discard": "unmap", "detect_zeroes": "unmap"},
    )
    ET.SubElement(disk, "source", {"file": str(plan.disk)})
    ET.SubElement(disk, "target", {"dev": "vda", "bus": "virtio"})
    ET.SubElement(disk, "address", slots.address(slots.DISK))
    return [disk]
