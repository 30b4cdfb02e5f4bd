"""What a template's key is made of: everything that a fork must find as its template left it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from frazil.model.desktop import Epoch
from frazil.server.hypervisor import domainxml
from frazil.server.hypervisor.port import DomainPlan, GuestRam, KernelBoot, Labels, Role
from frazil.wire.hostlink import Profile

FREEZER_VERSION = 2
"""Raised when what is done before freezing changes."""

_NOWHERE = Path("/")


def template_plan(
    *, labels: Labels, profile: Profile, disk: Path, boot: KernelBoot | None, kvm: bool, ram: Path
) -> DomainPlan:
    """The domain in which a template is made: no NIC, whose address would be frozen in, and memory in a file."""
    return DomainPlan(
        labels=labels, profile=profile, disk=disk, boot=boot, kvm=kvm, network=None, ram=GuestRam(ram, private=False)
    )


def template_key(
    *, image_sha256: str, profile: Profile, boot: KernelBoot | None, kvm: bool, qemu: str, cpu: str
) -> str:
    """32 hexadecimal digits; equal keys, interchangeable templates.

    image_sha256: the image's disk. qemu: QEMU's version and which file it is. cpu: the host's CPU model and flags, as
    a template made on one CPU need not run on another. The hardware is hashed as domain XML, so that a change of any
    builder counts.
    """
    nobody = Labels("", "00000000-0000-0000-0000-000000000000", Epoch(0, 0), 0, "", "", Role.TEMPLATE)
    kernel = KernelBoot(_NOWHERE, _NOWHERE, boot.cmdline) if boot is not None else None
    hardware = domainxml.domain(
        template_plan(labels=nobody, profile=profile, disk=_NOWHERE, boot=kernel, kvm=kvm, ram=_NOWHERE)
    )
    total = hashlib.sha256()
    for part in (str(FREEZER_VERSION), image_sha256, hardware, str(profile.disk_gib), qemu, cpu):
        total.update(f"{len(part)}:{part}".encode())
    return total.hexdigest()[:32]
