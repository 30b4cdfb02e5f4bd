"""What is wanted is found or made; what is doubted is tried; nothing that a disk says ends the server."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from frazil.model.errors import Unavailable
from frazil.server.desktops.slots import BOOT
from frazil.server.hypervisor.port import Role
from frazil.server.templates.store import DISK, MANIFEST, RAM, STATE
from frazil.server.templates.templates import Making
from frazil.wire.hostlink import Profile, TemplateSpec
from tests.fakes.hypervisor import STARTS, FakeHypervisor
from tests.unit.server.desktops.keeper_world import Waiter
from tests.unit.server.templates.templates_host import PROFILE, SPEC, WANTED, Host

OTHER = TemplateSpec(image_id=WANTED, profile=Profile(memory_mib=512))
TRIAL = frozenset({"Trial of office"})


def starts(host: Host) -> list[str]:
    """role:id of each domain that was started."""
    return (host.hypervisor._root / STARTS).read_text().splitlines()


@pytest.mark.parametrize("part", [RAM, STATE, DISK, MANIFEST])
async def test_a_damaged_part_is_found_and_the_template_made_anew(place: Path, part: str) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    path = kept.directory / part
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(b"damage")
    host.have_image()
    async with host.running():
        await host.until("ready")
        found = host.store.find(host.wanted_key())
        assert found is not None
        assert found.manifest.made_at != kept.manifest.made_at, "it is another one, and sound"


@pytest.mark.parametrize("part", [RAM, STATE, DISK, MANIFEST])
async def test_a_lost_part_is_found_and_the_template_made_anew(place: Path, part: str) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    (kept.directory / part).unlink()
    host.have_image()
    async with host.running():
        await host.until("ready")
    found = host.store.find(host.wanted_key())
    assert found is not None
    assert found.manifest.made_at != kept.manifest.made_at


async def test_one_that_is_doubted_and_sound_is_kept(place: Path) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    host.have_image()
    async with host.running():
        await host.until("ready")
        host.templates.doubt(kept, "a fork of it failed")
        assert isinstance(host.templates.condition(WANTED, PROFILE), Making), "nothing is forked of it meanwhile"
        host.seen.clear()
        host.templates.doubt(kept, "and another one")
        await host.until("ready")
        assert host.templates.condition(WANTED, PROFILE) == kept


async def test_one_that_is_doubted_and_whose_trial_fork_is_silent_is_removed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frazil.server.templates.templates.DOUBT_DEADLINE_S", 0.2)
    monkeypatch.setattr("frazil.server.templates.maker.PROBE_DEADLINE_S", 0.2)
    host = Host(place, mute=TRIAL)
    kept = host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    async with host.running():
        await host.until("ready")
        host.templates.doubt(kept, "a fork of it never answered")
        await host.until("failed")
    assert host.there() == set()
    assert await host.hypervisor.domains() == []


async def test_while_the_hypervisor_is_away_one_that_is_doubted_is_neither_removed_nor_made(place: Path) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    async with host.running():
        await host.until("ready")
        (place / "vms" / "away").touch()
        host.templates.doubt(kept, "a fork of it failed")
        await asyncio.sleep(0.3)  # for so long nothing may happen
        assert host.there() == {host.wanted_key()}
        assert isinstance(host.templates.condition(WANTED, PROFILE), Making)


async def test_one_that_is_here_waits_for_nobody_elses_boot(place: Path) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(OTHER), mib=1, used_ago_s=5)
    host.have_image()
    assert host.slots.take(Waiter(), BOOT)  # another boot goes on
    async with host.running(SPEC, OTHER):
        assert (await host.until("ready")).profile == OTHER.profile
        while host.seen[-1].step != "Waiting for its turn to boot":
            await host.hears()
        host.templates.doubt(kept, "a fork of it failed")
        assert (await host.until("ready")).profile == OTHER.profile
    assert not [one for one in starts(host) if one.endswith(host.template_domain(SPEC))], "the other still waits"


async def test_one_whose_directory_is_gone_is_made_anew_and_the_host_goes_on_reporting(place: Path) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    host.have_image()
    async with host.running():
        await host.until("ready")
        shutil.rmtree(kept.directory)
        assert [seen.state for seen in host.templates.seen()] == ["making"]
        host.seen.clear()
        await host.until("ready")
    assert host.there() == {host.wanted_key()}


async def test_another_qemu_gets_a_template_of_its_own_without_a_restart(place: Path) -> None:
    host = Host(place)
    host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    host.have_image()
    async with host.running():
        await host.until("ready")
        host.qemu = "7.2, another build"
        assert isinstance(host.templates.condition(WANTED, PROFILE), Making), "the old one's state is not loaded"
        host.seen.clear()
        host.templates.wake()
        await host.until("ready")
    assert host.wanted_key() in host.there()


async def test_what_failed_and_is_wanted_no_more_is_forgotten(place: Path) -> None:
    host = Host(place)
    async with host.running():
        await host.until("failed")  # there is no image's disk
        host.templates.want([])
        async with asyncio.timeout(10):
            while host.templates._conditions:
                await asyncio.sleep(0.01)


class LostWhileFreezing(FakeHypervisor):
    """Away from the moment in which a template is to be frozen, its domain running on."""

    async def freeze(self, desktop_id: str, state: Path) -> None:
        (self._root / "away").touch()
        raise Unavailable("The hypervisor could not be reached.")


async def test_the_domain_of_one_that_failed_is_ended_once_the_hypervisor_is_back(place: Path) -> None:
    host = Host(place, hypervisor=LostWhileFreezing)
    host.have_image()
    async with host.running():
        await host.until("failed")
        (place / "vms" / "away").unlink()
        left = [domain.labels.role for domain in await host.hypervisor.domains() if domain.labels]
        assert left == [Role.TEMPLATE]
        host.templates.wake()
        async with asyncio.timeout(10):
            while await host.hypervisor.domains():
                await asyncio.sleep(0.01)
