"""A template whose guest can't be reached: an error in words, and nothing left."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from frazil.model.errors import HostError
from frazil.runtime import SystemClock, SystemIds
from frazil.server.hypervisor.port import Domain, DomainPlan
from frazil.server.templates.maker import Maker, Wanted
from frazil.server.templates.store import TemplateStore
from frazil.wire.hostlink import Profile
from tests.fakes.hypervisor import FakeHypervisor


class DiesAtOnce(FakeHypervisor):
    """Its domains' guest ports are gone before anybody connects, as when QEMU ends in its first moment."""

    async def start(self, plan: DomainPlan) -> Domain:
        return replace(await super().start(plan), guest_socket=Path("/nonexistent/guest.sock"))


async def test_a_template_that_dies_while_it_boots_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "16M"], check=True)
    installation_id = SystemIds().new_id()
    hypervisor = DiesAtOnce(tmp_path / "vms", installation_id=installation_id)
    store = TemplateStore(tmp_path / "templates", installation_id=installation_id)
    maker = Maker(hypervisor, store, installation_id=installation_id, clock=SystemClock())
    wanted = Wanted(
        key="k", image_id="i", image_name="debian", disk=base, disk_bytes=16 << 20, boot=None,
        profile=Profile(memory_mib=256), kvm=False,
    )  # fmt: skip
    with pytest.raises(HostError, match="guest service can't be reached"):
        await maker.make(wanted, lambda step: None)
    assert await hypervisor.domains() == []
    assert store.list() == []
    assert list((tmp_path / "templates" / ".staging").iterdir()) == []
