"""A keeper on the hypervisor of files: starts, restarts, failures, strangers."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace

import pytest

from frazil.model.desktop import Epoch, Guest, Power, State
from frazil.model.errors import Conflict, GuestSilent, HostError, NotFound
from frazil.server.desktops import keeper
from frazil.server.desktops.directory import RECORD, Record
from frazil.server.desktops.slots import BOOT
from frazil.server.desktops.steps import RESTARTS_MAX
from frazil.server.guests.watch import GuestWatch
from frazil.server.hypervisor.port import Domain, DomainPlan
from frazil.server.templates.templates import Impossible, Making
from frazil.wire.hostlink import EpochField, Person, StrayDesktop
from tests.fakes.hypervisor import STARTS
from tests.unit.server.desktops.keeper_world import DEADLINE_S, Waiter, World, spec


async def test_a_desktop_comes_up_and_goes_without_a_trace(world: World) -> None:
    world.keepers.want([spec()])
    newest = await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    assert newest["id-d1"].state is State.RUNNING
    assert newest["id-d1"].step == ""
    steps = [seen.step for seen in world.seen]
    assert steps[0] == "Starting"
    assert "Booting" in steps
    world.keepers.want([spec(power=Power.ABSENT)])
    await world.until(lambda seen: seen["id-d1"].state is State.ABSENT)
    assert world.disks() == []
    assert await world.hypervisor.domains() == []


async def test_a_restarted_server_finds_its_desktops_and_starts_nothing_twice(world: World) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    before = (world.root / "vms" / "id-d1.json").read_bytes()
    world.stop_server()
    world.seen.clear()
    world.start_server()
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    assert (world.root / "vms" / "id-d1.json").read_bytes() == before


async def test_a_restarted_server_gives_an_old_desktop_the_time_to_answer(world: World) -> None:
    old = spec(start_deadline_s=0.5)
    world.keepers.want([old])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.stop_server()
    await asyncio.sleep(0.6)  # beyond its deadline, as most desktops are
    world.seen.clear()
    world.start_server()
    world.keepers.want([old])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    assert not [seen for seen in world.seen if seen.failure is not None]


async def test_a_guest_that_never_answers_fails_with_its_reason_and_a_retry_starts_afresh(world: World) -> None:
    world.stop_server()
    world.start_server(mute=frozenset({"d1"}))
    world.keepers.want([spec(start_deadline_s=0.3)])
    newest = await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].failure is not None)
    failure = newest["id-d1"].failure
    assert failure is not None
    assert failure.code == "guest-silent"
    assert failure.remedy
    assert [kind for _, kind, _ in world.events] == ["failed"]
    disk = world.directory.disk("id-d1")
    size = disk.stat().st_size
    with disk.open("ab") as file:
        file.write(bytes(1 << 20))
    world.stop_server()
    world.start_server()
    world.keepers.want([spec(attempt=2)])
    await world.until(lambda seen: seen["id-d1"].attempt == 2 and seen["id-d1"].guest is Guest.READY)
    assert disk.stat().st_size == size


async def test_an_unreachable_hypervisor_is_unknown_not_absent_and_work_goes_on_after(world: World) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    (world.root / "vms" / "away").touch()
    world.keepers.wake(None)
    await world.until(lambda seen: seen["id-d1"].state is State.UNKNOWN)
    (world.root / "vms" / "away").unlink()
    world.keepers.wake(None)
    newest = await world.until(lambda seen: seen["id-d1"].state is State.RUNNING)
    assert newest["id-d1"].guest is Guest.READY
    assert world.events == []


async def test_a_look_that_fails_is_unknown_and_no_failure_of_the_desktop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)

    async def refuse(desktop_id: str) -> None:
        raise HostError(f"The hypervisor failed to look for desktop {desktop_id}.")

    with monkeypatch.context() as broken:
        broken.setattr(world.hypervisor, "find", refuse)
        world.keepers.wake(None)
        newest = await world.until(lambda seen: seen["id-d1"].state is State.UNKNOWN)
        assert newest["id-d1"].failure is None
        assert "failed to look" in newest["id-d1"].step
    world.keepers.wake(None)
    newest = await world.until(lambda seen: seen["id-d1"].state is State.RUNNING)
    assert newest["id-d1"].guest is Guest.READY
    assert world.events == []


async def test_a_record_that_can_not_be_read_is_said_and_looked_at_again_now_and_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "FAILED_STEP_RETRY_S", 0.2)
    place = world.root / "desktops" / "id-d1"
    place.mkdir()
    (place / RECORD).write_text("{half a rec")
    looks: list[str] = []
    read = world.directory.read

    def counted(desktop_id: str) -> Record | None:
        looks.append(desktop_id)
        return read(desktop_id)

    monkeypatch.setattr(world.directory, "read", counted)
    world.keepers.want([spec()])
    assert await world.keepers.looked(within_s=DEADLINE_S)
    newest = await world.until(lambda seen: "id-d1" in seen)
    assert newest["id-d1"].state is State.UNKNOWN
    assert "can't be read" in newest["id-d1"].step
    await asyncio.sleep(0.3)
    assert 2 <= len(looks) <= 3
    (place / RECORD).unlink()
    await world.until(lambda seen: seen["id-d1"].guest is Guest.READY)


async def test_one_that_can_not_be_looked_at_keeps_nobody_from_a_start_slot(world: World) -> None:
    world.slots = 1
    holder, other = Waiter(), Waiter()
    assert world.start_slots.take(holder, BOOT)
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and "its turn to start" in seen["id-d1"].step)
    assert not world.start_slots.take(other, BOOT)
    place = world.root / "desktops" / "id-d1"
    place.mkdir()
    (place / RECORD).write_text("{half a rec")
    world.start_slots.give_back(holder)
    await world.until(lambda seen: seen["id-d1"].state is State.UNKNOWN)
    assert world.start_slots.take(other, BOOT)


async def test_at_most_so_many_start_at_once_and_all_come_up(world: World) -> None:
    world.keepers.want([spec(f"d{i}") for i in range(12)])
    newest = await world.until(
        lambda seen: len(seen) == 12 and all(each.guest is Guest.READY for each in seen.values())
    )
    assert all(each.failure is None for each in newest.values())
    assert any(seen.step == "Waiting for its turn to start" for seen in world.seen)


async def test_who_waits_for_a_template_keeps_nobody_from_a_slot_least_of_all_the_template(world: World) -> None:
    world.slots = 1
    holder, template = Waiter(), Waiter()
    assert world.start_slots.take(holder, BOOT)
    world.keepers.want([spec(f"d{i}", start="fork") for i in range(3)])
    await world.until(lambda seen: len(seen) == 3 and all("its turn to start" in each.step for each in seen.values()))
    assert not world.start_slots.take(template, BOOT)
    world.template = Making("Waiting for its turn to boot")
    world.start_slots.give_back(holder)
    await world.until(lambda seen: all("Preparing its template" in each.step for each in seen.values()))
    assert template.woken.is_set()
    assert world.start_slots.take(template, BOOT)
    world.template = Impossible("It can't be forked.", 0.0, 1)
    world.start_slots.give_back(template)
    world.keepers.wake(None)
    await world.until(lambda seen: all(each.guest is Guest.READY for each in seen.values()))


async def test_a_desktop_waits_for_its_image(world: World) -> None:
    image = world.images.pop("image")
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and "image" in seen["id-d1"].step)
    world.images["image"] = image
    world.keepers.wake(None)
    await world.until(lambda seen: seen["id-d1"].guest is Guest.READY)


@pytest.mark.parametrize("power", [Power.RUNNING, Power.ABSENT])
@pytest.mark.parametrize(("counter", "attempt"), [(4, 9), (5, 2)])
async def test_what_is_newer_than_what_is_wanted_is_told_and_left_alone(
    world: World, power: Power, counter: int, attempt: int
) -> None:
    now = spec(epoch=EpochField(generation=1, counter=5), attempt=3)
    world.keepers.want([now])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([spec(power=power, epoch=EpochField(generation=1, counter=counter), attempt=attempt)])
    told = (await world.until(lambda seen: "newer" in seen["id-d1"].step))["id-d1"]
    assert (told.epoch, told.attempt, told.state, told.failure) == (now.epoch, 3, State.RUNNING, None)
    world.keepers.want([now])
    again = (await world.until(lambda seen: "newer" not in seen["id-d1"].step))["id-d1"]
    assert (again.attempt, again.state, again.guest) == (3, State.RUNNING, Guest.READY)
    assert (world.root / "vms" / STARTS).read_text().count("desktop:id-d1") == 1
    assert world.disks() == ["id-d1"]


async def test_what_the_controller_forgot_is_a_stray_and_stays(world: World) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([])
    strays = await world.keepers.strays()
    assert {(stray.kind, stray.desktop_id) for stray in strays} == {("domain", "id-d1"), ("disk", "id-d1")}
    assert len(await world.hypervisor.domains()) == 1
    (world.root / "desktops" / "somebody-elses").mkdir()
    assert len(await world.keepers.strays()) == 2


async def test_a_stray_with_its_own_disk_tells_what_is_needed_to_take_it_back(world: World) -> None:
    world.keepers.want([spec(keep_disk=True, epoch=EpochField(generation=2, counter=3), attempt=4), spec("d2")])
    await world.until(lambda seen: {one.guest for one in seen.values()} == {Guest.READY} and len(seen) == 2)
    world.keepers.want([])
    assert world.keepers.stray_ids() == {"id-d1", "id-d2"}, "known before they are listed"

    async def told() -> dict[str, StrayDesktop | None]:
        return {one.name: one.desktop for one in await world.keepers.strays() if one.kind == "disk"}

    own = StrayDesktop(
        name="d1",
        image_id="image",
        epoch=EpochField(generation=2, counter=3),
        attempt=4,
        state=State.RUNNING,
        disk="own",
    )
    first = await told()
    assert first["id-d1"] == own
    assert first["id-d2"] is not None
    assert first["id-d2"].disk == "passing"
    await world.hypervisor.pause("id-d1")
    assert (await told())["id-d1"] == own.model_copy(update={"state": State.PAUSED})
    await world.hypervisor.destroy("id-d1")
    assert (await told())["id-d1"] == own.model_copy(update={"state": State.STOPPED})
    assert world.keepers.stray_ids() == {"id-d2"}
    record = world.directory.read("id-d1")
    assert record is not None
    world.directory.write(replace(record, keep_disk=None))
    assert (await told())["id-d1"] is not None, "of a record of before"
    shutil.copytree(world.root / "desktops" / "id-d1", world.root / "desktops" / "copy")
    world.directory.remove_disk("id-d1")
    last = await told()
    assert last["copy"] is None, "it lies where nobody looks for it"
    assert last["id-d1"] is not None
    assert last["id-d1"].disk == "missing"


@pytest.mark.parametrize("runs", [True, False])
async def test_a_stray_that_is_taken_back_goes_on_as_it_lies(world: World, runs: bool) -> None:
    """As it is told by `controller.services.adopting`."""
    world.keepers.want([spec(keep_disk=True)])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.keepers.want([])
    if not runs:
        await world.hypervisor.destroy("id-d1")
    disk = world.directory.disk("id-d1")
    before = disk.stat().st_ino, disk.read_bytes()
    world.seen.clear()
    state, power = (State.RUNNING, Power.RUNNING) if runs else (State.STOPPED, Power.STOPPED)
    epoch = EpochField(generation=1, counter=1) if runs else EpochField(generation=2, counter=2)
    world.keepers.want([spec(keep_disk=True, epoch=epoch, power=power)])
    seen = await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].state is state)
    assert (seen["id-d1"].epoch, seen["id-d1"].failure) == (epoch, None)
    assert world.keepers.stray_ids() == set()
    world.keepers.want([spec(keep_disk=True, epoch=epoch)])
    await world.until(lambda seen: seen["id-d1"].guest is Guest.READY)
    assert (disk.stat().st_ino, disk.read_bytes()) == before
    assert (world.root / "vms" / STARTS).read_text().split() == ["desktop:id-d1"] * (1 if runs else 2)


async def test_what_goes_while_the_hypervisor_lists_it_is_no_stray(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    listed = await world.hypervisor.domains()

    async def slowly() -> list[Domain]:
        world.keepers.want([spec(power=Power.ABSENT)])
        await world.until(lambda seen: seen["id-d1"].state is State.ABSENT)
        world.keepers.want([])  # the controller was told, and has forgotten it
        return listed

    monkeypatch.setattr(world.hypervisor, "domains", slowly)
    assert await world.keepers.strays() == []


async def test_displays_are_opened_for_the_right_epoch_only(world: World) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    with pytest.raises(Conflict):
        await world.keepers.open_display("id-d1", Epoch(1, 2))
    with pytest.raises(NotFound):
        await world.keepers.open_display("id-other", Epoch(1, 1))
    with open(await world.keepers.open_display("id-d1", Epoch(1, 1)), "rb"):
        pass


async def test_a_guest_that_does_not_sign_its_person_on_fails_and_keeps_no_start_slot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_watch: GuestWatch, _person: Person) -> None:
        raise GuestSilent("The guest service did not answer sign_on within 10 s.")

    monkeypatch.setattr(GuestWatch, "sign_person_on", silent)
    monkeypatch.setattr(keeper, "IDENTIFY_RETRY_S", 0.05)
    world.slots = 1
    world.start_server(guest_service=True)
    person = Person(name="anna", full_name="Anna Kiss", token="t" * 43)
    world.keepers.want([spec(ready_when="service", person=person, start_deadline_s=1.0)])
    await world.until(lambda seen: "id-d1" in seen and "Signing" in seen["id-d1"].step)
    other = Waiter()
    async with asyncio.timeout(DEADLINE_S):
        while not world.start_slots.take(other, BOOT):
            await asyncio.sleep(0.01)
    newest = await world.until(lambda seen: seen["id-d1"].failure is not None)
    assert newest["id-d1"].failure is not None
    assert newest["id-d1"].failure.code == "guest-silent"


async def test_a_bug_that_one_desktop_meets_fails_that_one_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    start = world.hypervisor.start

    async def buggy(plan: DomainPlan) -> Domain:
        if plan.labels.name == "d1":
            raise RuntimeError("nobody thought of this")
        return await start(plan)

    monkeypatch.setattr(world.hypervisor, "start", buggy)
    world.keepers.want([spec(), spec("d2")])
    newest = await world.until(
        lambda seen: len(seen) == 2 and seen["id-d1"].failure is not None and seen["id-d2"].guest is Guest.READY
    )
    failure = newest["id-d1"].failure
    assert failure is not None
    assert "nobody thought of this" in failure.text
    monkeypatch.setattr(world.hypervisor, "start", start)
    world.keepers.want([spec(attempt=2), spec("d2")])
    await world.until(lambda seen: seen["id-d1"].guest is Guest.READY)


@pytest.mark.parametrize("steady", [True, False])
async def test_only_restarts_in_a_row_end_a_desktop(
    world: World, monkeypatch: pytest.MonkeyPatch, steady: bool
) -> None:
    monkeypatch.setattr(keeper, "STEADY_S", 0.0 if steady else 600.0)
    world.keepers.want([spec()])
    for restart in range(RESTARTS_MAX + 1):
        await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
        for _ in range(2):  # it is looked at now and then, and is well
            world.keepers.wake(None)
            await asyncio.sleep(0.02)
        world.seen.clear()
        await world.hypervisor.destroy("id-d1")  # as when its person shuts it down
        newest = await world.until(lambda seen: "id-d1" in seen and bool(seen["id-d1"].step or seen["id-d1"].failure))
        given_up = newest["id-d1"].failure is not None
        assert given_up == (restart == RESTARTS_MAX and not steady)


@pytest.mark.parametrize("between", range(6))
async def test_a_keeper_told_to_end_in_the_moment_of_a_wake_ends(world: World, between: int) -> None:
    world.keepers.want([spec()])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    (keeping,) = [task for task in asyncio.all_tasks() if task.get_name() == "keeper-id-d1"]
    world.keepers.wake("id-d1")
    for _ in range(between):
        await asyncio.sleep(0)
    world.keepers.want([])
    await asyncio.wait({keeping}, timeout=DEADLINE_S)
    assert keeping.cancelled()


@pytest.mark.parametrize(
    ("host_boot", "keep_disk", "old_record", "anew"),
    [
        ("two", False, False, True),
        ("two", True, False, False),
        ("one", False, False, False),
        ("two", False, True, False),
    ],
)
async def test_a_disk_that_a_power_loss_may_have_spoilt_is_made_anew(
    world: World, host_boot: str, keep_disk: bool, old_record: bool, anew: bool
) -> None:
    """Booted, not forked; then the host comes up again, without its domains."""
    wanted = spec(keep_disk=keep_disk)
    world.keepers.want([wanted])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    world.stop_server()
    (world.root / "vms" / "id-d1.json").unlink()
    world.directory.disk("id-d1").write_bytes(b"half flushed")
    record = world.root / "desktops" / "id-d1" / "desktop.json"
    if old_record:
        given = json.loads(record.read_text())
        assert given.pop("host_boot") == "one"
        record.write_text(json.dumps(given))
    world.seen.clear()
    world.start_server(host_boot=host_boot)
    world.keepers.want([wanted])
    await world.until(lambda seen: "id-d1" in seen and seen["id-d1"].guest is Guest.READY)
    assert (world.directory.disk("id-d1").read_bytes()[:4] == b"QFI\xfb") is anew
    assert json.loads(record.read_text())["host_boot"] == host_boot
