"""A keeper on the hypervisor of files: desktops that are forked, and templates that are doubted."""

from __future__ import annotations

import shutil

import pytest

from frazil.model.desktop import Guest
from frazil.server.templates.store import DISK, RAM, STATE, Manifest, Template
from frazil.server.templates.templates import Impossible
from tests.unit.server.desktops.keeper_world import World, spec

KEY = "k" * 32


def template(world: World) -> Template:
    """One whose parts are all there, made of the world's image."""
    directory = world.root / "template"
    directory.mkdir()
    (directory / RAM).write_bytes(bytes(4096))
    (directory / STATE).write_text("{}")
    shutil.copy(world.images["image"].disk, directory / DISK)
    manifest = Manifest(
        installation_id="installation", key=KEY, image_id="image", made_at="", state_sha256="", boot_s=1.0, freeze_s=0.1
    )
    return Template(manifest=manifest, directory=directory)


async def test_a_fork_comes_up(world: World) -> None:
    world.template = template(world)
    world.keepers.want([spec(start="fork")])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.AGENT)
    record = world.directory.read("id-d1")
    assert record is not None
    assert record.template == KEY
    assert world.doubted == []


@pytest.mark.parametrize("part", [STATE, DISK])
async def test_a_template_that_lost_a_part_is_doubted(world: World, part: str) -> None:
    world.template = template(world)
    (world.template.directory / part).unlink()
    world.keepers.want([spec(start="fork")])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].failure is not None)
    assert world.doubted == [KEY]


async def test_a_fork_that_never_answers_has_its_template_doubted(world: World) -> None:
    world.start_server(mute=frozenset({"d1"}))
    world.template = template(world)
    world.keepers.want([spec(start="fork", start_deadline_s=0.3)])
    newest = await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].failure is not None)
    failure = newest["id-d1"].failure
    assert failure is not None
    assert failure.code == "guest-silent"
    assert world.doubted == [KEY]


async def test_a_boot_that_never_answers_says_nothing_of_a_template(world: World) -> None:
    world.start_server(mute=frozenset({"d1"}))
    world.keepers.want([spec(start="cold", start_deadline_s=0.3)])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].failure is not None)
    assert world.doubted == []


async def test_one_that_could_not_be_forked_says_so_while_it_boots(world: World) -> None:
    world.start_server(boot_s=0.3)
    world.template = Impossible("No room for its template.", 0.0, 1)
    world.keepers.want([spec(start="fork"), spec("d2", start="cold")])
    await world.until(lambda seen: len(seen) == 2 and all(one.guest is Guest.READY for one in seen.values()))
    steps = {(seen.desktop_id, seen.step) for seen in world.seen}
    assert ("id-d1", "Booting, which takes longer: it could not be forked") in steps
    assert ("id-d2", "Booting") in steps


async def test_nothing_starts_while_memory_is_short(world: World) -> None:
    world.pressure = "This host is short of memory."
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].step == world.pressure)
    assert await world.hypervisor.domains() == []
    world.pressure = ""
    world.keepers.wake(None)
    await world.until(lambda seen: seen["id-d1"].guest is Guest.READY)
