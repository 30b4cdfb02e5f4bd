"""Domain XML from small builders, one file a device.

`domain(plan)` is a desktop that boots from its disk, a template that is being made, or a fork of one: what differs is
in `memory` and in what a reboot does, so that all else is the same on both sides of a fork. Each builder takes the plan
and returns elements; none knows another, and bus addresses are given by `slots`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from frazil.server.hypervisor.domainxml import (
    boot,
    channels,
    clock,
    cpu,
    disk,
    display,
    inputs,
    memory,
    metadata,
    network,
    ports,
    rng,
    sound,
    usb,
)
from frazil.server.hypervisor.domainxml.boot import MACHINE
from frazil.server.hypervisor.domainxml.emulator import emulator
from frazil.server.hypervisor.port import DomainPlan, domain_name

__all__ = ["MACHINE", "domain", "nic"]


def domain(plan: DomainPlan, *, partition: str | None = None) -> str:
    """The XML of the domain (https://libvirt.org/formatdomain.html).

    partition: libvirt's name of the cgroup that it is put under. It is the host's affair: no part of what a guest sees.
    """
    domain = ET.Element("domain", {"type": "kvm" if plan.kvm else "qemu"})
    ET.SubElement(domain, "name").text = domain_name(plan.labels.desktop_id)
    ET.SubElement(domain, "uuid").text = plan.labels.desktop_id
    ET.SubElement(domain, "title").text = plan.labels.name
    # Empty: libvirt makes a new one at each start, and a fork's guest reseeds its random pool when it sees it.
    ET.SubElement(domain, "genid")
    domain.append(metadata.metadata(plan.labels))
    if partition is not None:
        ET.SubElement(ET.SubElement(domain, "resource"), "partition").text = partition
    domain.extend(memory.memory(plan))
    ET.SubElement(domain, "vcpu").text = str(plan.profile.vcpus)
    domain.append(boot.os(plan))
    domain.append(cpu.features(plan))
    domain.append(cpu.cpu(plan))
    domain.append(clock.clock(plan))
    ET.SubElement(domain, "on_poweroff").text = "destroy"
    # A fork that boots would share nothing any more: it is replaced by a fresh one (docs/explanation/forks.md).
    forked = plan.ram is not None and plan.ram.private
    ET.SubElement(domain, "on_reboot").text = "destroy" if forked else "restart"
    ET.SubElement(domain, "on_crash").text = "destroy"
    devices = ET.SubElement(domain, "devices")
    devices.append(emulator())
    for build in (
        ports.ports,
        disk.disks,
        network.interfaces,
        channels.channels,
        inputs.inputs,
        display.graphics,
        display.video,
        sound.sound,
        usb.usb,
        rng.rng,
    ):
        devices.extend(build(plan))
    # A balloon would punch holes into the template's memory (QEMU before 8.2).
    ET.SubElement(devices, "memballoon", {"model": "none"})
    domain.extend(memory.command_line(plan))
    domain.extend(cpu.asked_at_once(plan))
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def nic(plan: DomainPlan) -> str:
    """The XML of the plan's NIC alone, to be plugged into a fork."""
    (interface,) = network.interfaces(plan)
    return ET.tostring(interface, encoding="unicode")
