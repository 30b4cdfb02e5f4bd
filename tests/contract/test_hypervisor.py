"""One suite for every hypervisor: the fake on files, and libvirt with a real QEMU in which only firmware runs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import libvirt
import pytest

from frazil.model.desktop import Epoch
from frazil.model.errors import Conflict, FrazilError, GuestSilent, HostError, NotFound
from frazil.runtime import SystemIds
from frazil.server.hypervisor import freezing, precedence
from frazil.server.hypervisor.guest_network import GuestNetwork, network_name
from frazil.server.hypervisor.guest_network_rules import FAMILIES, table_name
from frazil.server.hypervisor.libvirt_driver import LibvirtHypervisor
from frazil.server.hypervisor.port import DomainPlan, DomainState, GuestRam, Hypervisor, Labels, Seat
from frazil.wire.hostlink import Profile
from tests.fakes.hypervisor import FakeHypervisor

INSTALLATION = SystemIds().new_id()
DEADLINE_S = 20.0


@dataclass
class Bench:
    hypervisor: Hypervisor
    elsewhere: Hypervisor
    """The same hypervisor as another installation sees it."""
    place: Path
    network: Seat
    """A network that domains may be plugged into."""

    def plan(self) -> DomainPlan:
        disk = self.place / f"{SystemIds().new_id()}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
        labels = Labels(INSTALLATION, SystemIds().new_id(), Epoch(1, 3), 2, "pool", "a <desktop>")
        return DomainPlan(labels=labels, profile=Profile(memory_mib=256), disk=disk, boot=None, kvm=False, network=None)


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.real)])
async def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    place = tmp_path_factory.mktemp("hypervisor")
    for parent in (place, *place.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/tmp") and parent != Path("/"):
            parent.chmod(0o711)
    if request.param == "fake":
        yield Bench(
            FakeHypervisor(place / "fake", installation_id=INSTALLATION),
            FakeHypervisor(place / "fake", installation_id="another"),
            place,
            Seat(network="any", tap="fz-1", mac="52:54:00:00:00:01", address="10.0.0.2"),
        )
        return
    request.getfixturevalue("libvirtd")
    hypervisor = LibvirtHypervisor("qemu:///system", installation_id=INSTALLATION)
    elsewhere = LibvirtHypervisor("qemu:///system", installation_id="another")
    watching = asyncio.create_task(hypervisor.watch_events())
    network = GuestNetwork("qemu:///system", installation_id=INSTALLATION, mode="closed", subnet="10.204.77.0/29")
    async with network.seat("any") as seat:
        yield Bench(hypervisor, elsewhere, place, seat)
    for domain in await hypervisor.domains():
        if domain.labels is not None and domain.labels.installation_id == INSTALLATION:
            await hypervisor.destroy(domain.labels.desktop_id)
    watching.cancel()
    network.close()
    for command in ("net-destroy", "net-undefine"):
        subprocess.run(["virsh", "--quiet", command, network_name(INSTALLATION)], check=True)
    for family in FAMILIES:
        subprocess.run(["nft", "delete", "table", family, table_name(network_name(INSTALLATION))], check=True)
    hypervisor.close()
    elsewhere.close()


async def test_a_domain_is_made_found_listed_and_destroyed(bench: Bench) -> None:
    plan = bench.plan()
    desktop_id = plan.labels.desktop_id
    assert await bench.hypervisor.find(desktop_id) is None
    made = await bench.hypervisor.start(plan)
    assert (made.state, made.labels) == (DomainState.RUNNING, plan.labels)
    found = await bench.hypervisor.find(desktop_id)
    assert found is not None
    assert (found.name, found.uuid, found.labels) == (f"frazil-{desktop_id}", desktop_id, plan.labels)
    assert desktop_id in [domain.uuid for domain in await bench.hypervisor.domains()]
    await bench.hypervisor.destroy(desktop_id)
    assert await bench.hypervisor.find(desktop_id) is None
    await bench.hypervisor.destroy(desktop_id)


async def test_starting_twice_is_a_conflict_and_changes_nothing(bench: Bench) -> None:
    plan = bench.plan()
    await bench.hypervisor.start(plan)
    with pytest.raises(Conflict):
        await bench.hypervisor.start(replace(plan, labels=replace(plan.labels, attempt=3)))
    found = await bench.hypervisor.find(plan.labels.desktop_id)
    assert found is not None
    assert found.labels == plan.labels


async def test_pause_and_resume(bench: Bench) -> None:
    plan = bench.plan()
    await bench.hypervisor.start(plan)
    await bench.hypervisor.pause(plan.labels.desktop_id)
    found = await bench.hypervisor.find(plan.labels.desktop_id)
    assert found is not None
    assert found.state is DomainState.PAUSED
    assert not found.io_error
    await bench.hypervisor.resume(plan.labels.desktop_id)
    found = await bench.hypervisor.find(plan.labels.desktop_id)
    assert found is not None
    assert found.state is DomainState.RUNNING
    await bench.hypervisor.end_precedence(plan.labels.desktop_id)


async def test_who_is_resumed_goes_before_others_until_that_is_ended(bench: Bench) -> None:
    plan = bench.plan()
    desktop_id = plan.labels.desktop_id
    await bench.hypervisor.start(plan)
    weight = _weight(bench, desktop_id)
    if weight is None:
        pytest.skip("libvirt has no cpu cgroups here")
    await bench.hypervisor.pause(desktop_id)
    await bench.hypervisor.resume(desktop_id)
    assert _weight(bench, desktop_id) == precedence.TIMES * weight
    await bench.hypervisor.end_precedence(desktop_id)
    assert _weight(bench, desktop_id) == weight


def _weight(bench: Bench, desktop_id: str) -> int | None:
    """Its share of busy processors, as virsh says it; None where libvirt has no cgroups for it."""
    if isinstance(bench.hypervisor, FakeHypervisor):
        return bench.hypervisor.weight(desktop_id)
    command = ["virsh", "-c", "qemu:///system", "schedinfo", f"frazil-{desktop_id}"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    given = dict(line.split(":", 1) for line in said.stdout.splitlines() if ":" in line)
    weights = [int(value) for name, value in given.items() if name.strip() == "cpu_shares"]
    return weights[0] if weights else None


async def test_another_installations_domain_is_never_touched(bench: Bench) -> None:
    plan = bench.plan()
    await bench.hypervisor.start(plan)
    for touch in (bench.elsewhere.destroy, bench.elsewhere.shutdown, bench.elsewhere.pause, bench.elsewhere.resume):
        with pytest.raises(Conflict, match="does not touch"):
            await touch(plan.labels.desktop_id)
    for look in (bench.elsewhere.screenshot, bench.elsewhere.open_display):
        with pytest.raises(Conflict, match="does not touch"):
            await look(plan.labels.desktop_id)
    with pytest.raises(Conflict, match="does not touch"):
        await bench.elsewhere.agent_ping(plan.labels.desktop_id, timeout_s=1)
    found = await bench.hypervisor.find(plan.labels.desktop_id)
    assert found is not None
    assert found.state is DomainState.RUNNING


async def test_what_is_not_there_is_not_found(bench: Bench) -> None:
    nowhere = SystemIds().new_id()
    for call in (bench.hypervisor.pause, bench.hypervisor.resume, bench.hypervisor.shutdown):
        with pytest.raises(NotFound):
            await call(nowhere)
    with pytest.raises(NotFound):
        await bench.hypervisor.screenshot(nowhere)
    with pytest.raises(NotFound):
        await bench.hypervisor.open_display(nowhere)


async def test_a_picture_is_a_png(bench: Bench) -> None:
    plan = bench.plan()
    await bench.hypervisor.start(plan)
    shot = await bench.hypervisor.screenshot(plan.labels.desktop_id)
    assert shot.mime == "image/png"
    assert shot.data.startswith(b"\x89PNG\r\n")


async def test_a_display_is_a_descriptor_of_ones_own(bench: Bench) -> None:
    plan = bench.plan()
    await bench.hypervisor.start(plan)
    first = await bench.hypervisor.open_display(plan.labels.desktop_id)
    second = await bench.hypervisor.open_display(plan.labels.desktop_id)
    assert first != second
    with socket.socket(fileno=first) as display, socket.socket(fileno=second):
        assert display.family != socket.AF_UNIX, "spice-server would compress nothing"


async def test_a_guest_without_agent_is_silent_in_bounded_time(bench: Bench) -> None:
    plan = bench.plan()
    await bench.hypervisor.start(plan)
    await bench.hypervisor.pause(plan.labels.desktop_id)
    async with asyncio.timeout(40):
        with pytest.raises((GuestSilent, Conflict)) as caught:
            await bench.hypervisor.agent_ping(plan.labels.desktop_id, timeout_s=1)
    assert isinstance(caught.value, FrazilError)


async def test_changes_are_told(bench: Bench) -> None:
    plan = bench.plan()
    told: asyncio.Queue[str | None] = asyncio.Queue()
    bench.hypervisor.subscribe(told.put_nowait)
    await bench.hypervisor.start(plan)
    await bench.hypervisor.destroy(plan.labels.desktop_id)
    async with asyncio.timeout(DEADLINE_S):
        while await told.get() != plan.labels.desktop_id:
            pass


async def frozen(bench: Bench) -> tuple[Path, Path]:
    """RAM and device state of a frozen domain."""
    ram, state = bench.place / SystemIds().new_id(), bench.place / SystemIds().new_id()
    plan = bench.plan()
    await bench.hypervisor.prepare_ram(ram, plan.profile.memory_mib)
    await bench.hypervisor.start(replace(plan, ram=GuestRam(ram, private=False)))
    await bench.hypervisor.freeze(plan.labels.desktop_id, state)
    assert await bench.hypervisor.find(plan.labels.desktop_id) is None
    return ram, state


async def test_what_is_frozen_is_forked_and_stays_as_it_was(bench: Bench) -> None:
    ram, state = await frozen(bench)
    before = hashlib.sha256(ram.read_bytes() + state.read_bytes()).digest()
    forks = [replace(bench.plan(), ram=GuestRam(ram, private=True)) for _ in range(2)]
    for fork in forks:
        made = await bench.hypervisor.fork(fork, state)
        assert (made.state, made.labels) == (DomainState.RUNNING, fork.labels)
    with pytest.raises(Conflict):
        await bench.hypervisor.fork(forks[0], state)
    for fork in forks:
        await bench.hypervisor.pause(fork.labels.desktop_id)
        await bench.hypervisor.resume(fork.labels.desktop_id)
        await bench.hypervisor.destroy(fork.labels.desktop_id)
    assert hashlib.sha256(ram.read_bytes() + state.read_bytes()).digest() == before


async def test_half_a_fork_is_no_domain(bench: Bench) -> None:
    ram, state = await frozen(bench)
    state.chmod(0o600)
    state.write_bytes(b"\x00damaged" * 512)
    fork = replace(bench.plan(), ram=GuestRam(ram, private=True))
    with pytest.raises(HostError):
        await bench.hypervisor.fork(fork, state)
    assert await bench.hypervisor.find(fork.labels.desktop_id) is None


async def test_a_fork_that_is_gone_before_it_has_loaded_is_its_hosts_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a desktop that nobody knows: by this a broken template is found out."""

    def ends(domain: libvirt.virDomain, state: Path) -> None:
        domain.destroy()
        domain.info()

    monkeypatch.setattr(freezing, "thaw", ends)
    ram, state = await frozen(bench)
    state.chmod(0o600)
    state.write_bytes(b"\x00damaged" * 512)
    fork = replace(bench.plan(), ram=GuestRam(ram, private=True))
    with pytest.raises(HostError):
        await bench.hypervisor.fork(fork, state)


async def test_a_network_is_plugged_once(bench: Bench) -> None:
    plan = bench.plan()
    await bench.hypervisor.start(plan)
    for _ in range(2):
        await bench.hypervisor.plug_network(replace(plan, network=bench.network))
    with pytest.raises(NotFound):
        await bench.hypervisor.plug_network(replace(bench.plan(), network=bench.network))
