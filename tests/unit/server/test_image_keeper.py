"""This host's images when the disk, or what makes them, gives trouble: one image fails, and the server goes on."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from frazil.runtime import SystemClock
from frazil.server import image_keeper
from frazil.server.desktops.directory import DesktopDirectory
from frazil.server.image_keeper import ImageKeeper
from frazil.server.images.files import ImageFiles
from frazil.settings import Settings
from frazil.wire.hostlink import ImageObservation, ImageSpec

DEADLINE_S = 30.0
OURS = "11111111-1111-7111-8111-111111111111"
ID = "0190f3a0-0000-7000-8000-000000000001"
OTHER = "0190f3a0-0000-7000-8000-000000000002"
RECIPE = "debian-icewm"


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def other_file_system(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def built(*, into: Path, **_: object) -> None:
    """What a build leaves, without the building."""
    into.mkdir(parents=True)
    for name in ("disk.qcow2", "kernel", "initrd", "cmdline"):
        (into / name).write_text(name)


def spec(image_id: str = ID, **changes: object) -> ImageSpec:
    given = {"image_id": image_id, "name": "debian", "version": 1, "recipe": RECIPE} | changes
    return ImageSpec.model_validate(given)


@dataclass
class World:
    """A host's image keeper, with builds that take no time."""

    root: Path
    said: list[ImageObservation] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.settings = Settings(
            state_dir=self.root / "state", cache_dir=self.root / "cache", run_dir=self.root / "run"
        )
        self.cache = self.settings.cache_dir / "images"

    def start(self) -> None:
        self.keeper = ImageKeeper(
            self.settings,
            installation_id=OURS,
            clock=SystemClock(),
            directory=DesktopDirectory(self.root / "desktops", installation_id=OURS),
            report=self._heard,
            release=self._released,
        )
        self.running = asyncio.create_task(self.keeper.run())

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.wait({self.running})

    async def _released(self, image_id: str) -> None:
        pass

    def _heard(self, seen: ImageObservation) -> None:
        self.said.append(seen)
        self.changed.set()

    async def until(self, true: Callable[[ImageObservation], bool]) -> ImageObservation:
        """Wait until something that is so is said."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self.changed.clear()
                for seen in self.said:
                    if true(seen):
                        return seen
                await self.changed.wait()

    async def cached(self, keys: set[str]) -> None:
        """Wait until the cache has these entries."""
        async with asyncio.timeout(DEADLINE_S):
            while {path.name for path in self.cache.iterdir()} != keys:
                await asyncio.sleep(0.01)

    def left(self) -> list[str]:
        """What lies where images are made and kept."""
        staging = self.settings.images_dir / ".staging"
        return [path.name for path in (*staging.iterdir(), *self.settings.images_dir.iterdir()) if path != staging]


@pytest.fixture
async def before_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(image_keeper, "build_image", built)
    world = World(tmp_path)
    yield world
    await world.stop()


@pytest.fixture
async def world(before_start: World) -> World:
    before_start.start()
    return before_start


async def test_a_full_disk_under_the_store_fails_the_image_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "link", other_file_system)
        broken.setattr(shutil, "copyfile", full_disk)
        world.keeper.want([spec()])
        seen = await world.until(lambda seen: seen.state == "failed")
    assert seen.failure is not None
    assert seen.failure.code == "out-of-space"
    assert world.left() == []
    world.keeper.want([spec(attempt=2)])
    await world.until(lambda seen: seen.state == "ready" and seen.attempt == 2)


@pytest.mark.parametrize("error", [ValueError("unforeseen"), EOFError(), RecursionError()])
async def test_whatever_goes_wrong_in_a_build_is_that_images_failure(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(**_: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(image_keeper, "build_image", fails)
        world.keeper.want([spec()])
        seen = await world.until(lambda seen: seen.state == "failed")
    assert seen.failure is not None
    assert seen.failure.remedy
    assert world.left() == []
    world.keeper.want([spec(), spec(OTHER)])
    await world.until(lambda seen: seen.state == "ready" and seen.image_id == OTHER)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ValueError("unforeseen")])
async def test_an_image_that_cannot_be_removed_stays_and_is_removed_later(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.keeper.want([spec()])
    await world.until(lambda seen: seen.state == "ready")
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fails(*_: object) -> None:
        loop.call_soon_threadsafe(asked.set)
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", fails)
        world.keeper.want([spec(wanted="absent")])
        async with asyncio.timeout(DEADLINE_S):
            await asked.wait()
    assert not world.running.done()
    assert world.keeper.base_image(ID) is not None
    world.keeper.wake()
    await world.until(lambda seen: seen.state == "absent")
    assert world.keeper.base_image(ID) is None


async def test_an_image_whose_disk_is_gone_is_said_to_have_failed(world: World) -> None:
    world.keeper.want([spec()])
    await world.until(lambda seen: seen.state == "ready")
    await world.stop()
    (world.settings.images_dir / ID / "disk.qcow2").unlink()
    world.said.clear()
    world.start()
    world.keeper.want([spec()])
    seen = await world.until(lambda seen: seen.state == "failed")
    assert seen.failure is not None
    assert "disk is gone" in seen.failure.text
    assert not world.running.done()


async def test_an_upload_that_cannot_be_taken_away_spoils_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_in(*, into: Path, **_: object) -> object:
        built(into=into)
        return ImageFiles(
            directory=into, disk=into / "disk.qcow2", virtual_size_bytes=1 << 30, disk_sha256="0" * 64,
            kernel=None, initrd=None, cmdline=None,
        )  # fmt: skip

    monkeypatch.setattr(image_keeper, "import_image", taken_in)
    (world.settings.incoming_dir / "a.raw").mkdir(parents=True)  # unlink fails on a directory
    world.keeper.want([spec(recipe=None, upload="a.raw", upload_format="raw")])
    await world.until(lambda seen: seen.state == "ready")


async def test_the_cache_loses_a_recipes_old_image_at_the_start_or_with_the_last_image_of_it(
    before_start: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, old, older = before_start, "0" * 32, "1" * 32
    built(into=world.cache / older)
    monkeypatch.setattr(image_keeper, "cache_key", lambda recipe: old)  # an image of before the recipe was changed
    world.start()
    world.keeper.want([spec()])
    await world.until(lambda seen: seen.state == "ready")
    await world.cached({old})
    world.keeper.want([spec(wanted="absent")])
    await world.cached(set())


async def test_the_cache_keeps_what_a_recipe_makes_now(world: World) -> None:
    world.keeper.want([spec()])
    await world.until(lambda seen: seen.state == "ready")
    world.keeper.want([spec(wanted="absent")])
    await world.until(lambda seen: seen.state == "absent")
    await world.stop()
    (key,) = (path.name for path in world.cache.iterdir())
    world.start()
    world.keeper.want([spec(OTHER)])
    await world.until(lambda seen: seen.state == "ready" and seen.image_id == OTHER)
    assert [path.name for path in world.cache.iterdir()] == [key]
