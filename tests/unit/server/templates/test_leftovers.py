"""A template's domain that a killed server left running is ended at the next start; no other domain is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from frazil.model.desktop import Epoch
from frazil.runtime import SystemClock, SystemIds
from frazil.server.desktops.slots import StartSlots
from frazil.server.hypervisor.port import DomainPlan, Labels, Role
from frazil.server.templates.store import TemplateStore
from frazil.server.templates.templates import Templates
from frazil.wire.hostlink import Profile
from tests.fakes.hypervisor import FakeHypervisor

DEADLINE_S = 30.0
OURS, THEIRS = SystemIds().new_id(), SystemIds().new_id()


async def _running(hypervisor: FakeHypervisor, disk: Path, installation_id: str, role: Role) -> str:
    desktop_id = SystemIds().new_id()
    labels = Labels(installation_id, desktop_id, Epoch(0, 0), 1, "", "one", role)
    await hypervisor.start(
        DomainPlan(labels=labels, profile=Profile(), disk=disk, boot=None, kvm=False, network=None)
    )  # fmt: skip
    return desktop_id


async def _left(hypervisor: FakeHypervisor) -> set[str]:
    return {domain.uuid for domain in await hypervisor.domains()}


async def _until_left(hypervisor: FakeHypervisor, wanted: Iterable[str]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await _left(hypervisor) != set(wanted):
            await asyncio.sleep(0.01)


async def test_only_our_own_templates_domains_are_ended_as_soon_as_that_can_be_told(tmp_path: Path) -> None:
    hypervisor = FakeHypervisor(tmp_path / "vms", installation_id=OURS)
    disk = tmp_path / "disk"
    disk.touch()
    ours = await _running(hypervisor, disk, OURS, Role.TEMPLATE)
    others = {
        await _running(hypervisor, disk, OURS, Role.DESKTOP),
        await _running(hypervisor, disk, THEIRS, Role.TEMPLATE),
    }
    copy = tmp_path / "vms" / f"{SystemIds().new_id()}.json"
    copy.write_bytes((tmp_path / "vms" / f"{ours}.json").read_bytes())  # made by hand, labels and all
    others.add(copy.stem)
    templates = Templates(
        hypervisor, TemplateStore(tmp_path / "templates", installation_id=OURS), installation_id=OURS,
        clock=SystemClock(), slots=StartSlots(lambda: 1), kvm=False, qemu=lambda: "7.2", image=lambda _: None,
        changed=lambda _: None, busy=list, gone=lambda _: None,
    )  # fmt: skip
    away = tmp_path / "vms" / "away"
    away.touch()
    task = asyncio.create_task(templates.run())
    try:
        await asyncio.sleep(0.05)
        assert not task.done(), "it goes on without the hypervisor"
        away.unlink()
        assert ours in await _left(hypervisor)
        templates.wake()
        await _until_left(hypervisor, others)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
