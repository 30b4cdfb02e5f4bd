"""A keeper on the hypervisor of files: desktops that are paused, stopped, and go on."""

from __future__ import annotations

import asyncio
import json
import os
import time

import pytest

from frazil.model.desktop import Epoch, Guest, Power, State
from frazil.server.desktops import directory, keeper, keepers
from tests.unit.server.desktops.keeper_world import DEADLINE_S, World, spec


async def test_a_desktop_goes_on_where_it_was_once_the_full_disk_has_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "DISK_FULL_RETRY_S", 0.1)
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    started = (await world.hypervisor.domains())[0]
    for _ in range(2):
        with monkeypatch.context() as full:
            full.setattr(directory, "RESERVE_BYTES", 1 << 60)
            world.hypervisor.disk_became_full("id-d1")
            newest = await world.until(lambda seen: seen["id-d1"].failure is not None)
            assert newest["id-d1"].failure is not None
            assert newest["id-d1"].failure.code == "disk-full"
            await asyncio.sleep(0.25)
            assert (await world.hypervisor.domains())[0].io_error, "it was not resumed: there is no room"
        newest = await world.until(lambda seen: seen["id-d1"].failure is None and seen["id-d1"].guest is Guest.READY)
        assert newest["id-d1"].state is State.RUNNING
    assert (await world.hypervisor.domains())[0] == started
    assert [kind for _, kind, _ in world.events] == ["failed", "failed"]


async def test_one_that_is_resumed_in_vain_is_not_tried_again_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    resumes: list[str] = []

    async def in_vain(desktop_id: str) -> None:
        resumes.append(desktop_id)

    monkeypatch.setattr(world.hypervisor, "resume", in_vain)
    world.hypervisor.disk_became_full("id-d1")
    await world.until(lambda seen: seen["id-d1"].failure is not None)
    assert resumes == ["id-d1"]


async def test_pausing_stopping_and_starting_again(world: World) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([spec(power=Power.PAUSED)])
    await world.until(lambda seen: seen["id-d1"].state is State.PAUSED)
    world.keepers.want([spec(power=Power.STOPPED)])
    await world.until(lambda seen: seen["id-d1"].state is State.STOPPED)
    assert world.disks() == ["id-d1"]
    world.keepers.want([spec()])
    await world.until(lambda seen: seen["id-d1"].guest is Guest.READY)


async def test_a_display_is_opened_once_its_desktop_goes_on(world: World) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([spec(power=Power.PAUSED)])
    await world.until(lambda seen: seen["id-d1"].state is State.PAUSED)
    opening = asyncio.create_task(world.keepers.open_display("id-d1", Epoch(1, 1)))
    done, _ = await asyncio.wait({opening}, timeout=0.2)
    assert not done, "it is paused"
    world.keepers.want([spec()])
    os.close(await opening)
    assert [seen.state for seen in world.seen][-1] is State.RUNNING


async def test_a_display_of_one_that_stays_paused_is_opened_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "RESUME_PATIENCE_S", 0.1)
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([spec(power=Power.PAUSED)])
    await world.until(lambda seen: seen["id-d1"].state is State.PAUSED)
    os.close(await world.keepers.open_display("id-d1", Epoch(1, 1)))


async def test_one_that_goes_on_is_told_what_time_it_is(world: World) -> None:
    world.start_server(guest_service=True)
    told = world.root / "vms" / "id-d1.sock.clock"
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([spec(power=Power.PAUSED)])
    await world.until(lambda seen: seen["id-d1"].state is State.PAUSED)
    told.unlink(missing_ok=True)
    before_ns = time.time_ns()
    world.keepers.want([spec()])
    async with asyncio.timeout(DEADLINE_S):
        while not told.exists() or not told.read_text():
            await asyncio.sleep(0.01)
    assert before_ns - 1_000_000 <= json.loads(told.read_text())["time_ns"] <= time.time_ns()


@pytest.mark.parametrize("life", ["the same server", "the next one"])
async def test_one_that_goes_on_goes_before_others_until_it_has_answered(world: World, life: str) -> None:
    world.start_server(guest_service=True)
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([spec(power=Power.PAUSED)])
    await world.until(lambda seen: seen["id-d1"].state is State.PAUSED)
    if life == "the next one":
        world.stop_server()
        await world.hypervisor.resume("id-d1")  # the last thing that the earlier life did
        world.start_server(guest_service=True)
    world.keepers.want([spec()])
    async with asyncio.timeout(DEADLINE_S):
        while not world.hypervisor.was_preferred("id-d1"):
            await asyncio.sleep(0.01)
