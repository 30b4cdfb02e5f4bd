"""SIGKILL of the server at its failpoints while five desktops are made and deleted, on libvirt and QEMU."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from frazil.model.desktop import Phase
from frazil.model.errors import NotFound, Unavailable
from frazil.server.desktops.directory import DISK, RECORD
from tests.faults import database
from tests.faults.failpoints import Death
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
DESKTOPS = 5
DEADLINE_S = 180.0
POOL = "five"
SMALL = {"memory_mib": 256, "disk_gib": 1, "sound": False, "usb_channels": 0}
MAKING = (Death("server.defined", 2), Death("server.overlay-made", 3), Death("server.started", 4))
DELETING = (Death("server.domain-stopped", 2), Death("server.disk-removed", 3))


@pytest.fixture(scope="module")
def five() -> Iterator[Stack]:
    """A stack with an image of a disk with nothing on it: its desktops are ready when they run. Stopped."""
    with Stack() as made:
        made.start()
        made.empty_image("blank", ready_when="running")
        made.stop()
        yield made


def _deaths(stack: Stack) -> int:
    return (stack.settings.log_dir / "up.log").read_text().count("The server was killed by SIGKILL")


def _wrong(stack: Stack) -> list[str]:
    """What is not as it should be while five desktops run; empty when all is well."""
    desktops = stack.root.desktops()
    ids = {one.id for one in desktops}
    found = database.contradictions(stack.settings)
    if len(ids) != DESKTOPS or {one.phase for one in desktops} != {Phase.READY}:
        found.append(f"not {DESKTOPS} ready desktops: {[(one.name, one.phase.value, one.why) for one in desktops]}")
    if (domains := set(stack.guests.ids())) != ids:
        found.append(f"domains without a desktop or the other way round: {domains ^ ids}")
    if set(stack.disks()) != ids:
        found.append(f"disks without a desktop or the other way round: {set(stack.disks()) ^ ids}")
    for place in stack.settings.desktops_dir.iterdir():
        if (files := {path.name for path in place.iterdir()}) != {RECORD, DISK}:
            found.append(f"a half made disk: {files}")
    if strays := stack.root.strays():
        found.append(f"strays: {strays}")
    return found


def _gone(stack: Stack) -> bool:
    try:
        return not stack.root.pool(POOL)
    except NotFound:
        return True


def _left(stack: Stack) -> list[object]:
    rows = database.left_of_pools(stack.settings)
    here = [path.name for path in stack.settings.desktops_dir.iterdir()]
    return [*stack.guests.ids(), *here, *rows, *stack.root.strays(), *database.contradictions(stack.settings)]


@pytest.mark.parametrize(
    ("making", "deleting"), [(MAKING[0], DELETING[0]), (MAKING[1], DELETING[1]), (MAKING[2], None)], ids=str
)
def test_killed_there_all_five_run_none_twice_and_nothing_is_left(
    five: Stack, making: Death, deleting: Death | None
) -> None:
    before = _deaths(five)
    five.start({"FRAZIL_FAILPOINT": f"{making.place}:{making.nth}"})
    five.pool(POOL, image="blank", spares=DESKTOPS, max_desktops=DESKTOPS, profile=SMALL)
    until(lambda: _deaths(five) == before + 1, f"the server is killed at {making}", timeout_s=DEADLINE_S)
    five.desktops(POOL, count=DESKTOPS, timeout_s=DEADLINE_S)
    until(
        lambda: not _wrong(five),
        lambda: f"all is whole, but: {_wrong(five)}",
        timeout_s=DEADLINE_S,
        not_yet=(Unavailable,),
    )
    for one in five.disks():
        disk = five.settings.desktops_dir / one / DISK
        subprocess.run(["qemu-img", "check", "-q", "-U", str(disk)], check=True, timeout=60)
    running = five.guests.ids()
    if deleting is not None:
        five.stop()
        assert five.guests.ids() == running, "desktops outlive Frazil's end, each as the process that it was"
        five.start({"FRAZIL_FAILPOINT": f"{deleting.place}:{deleting.nth}"})
        until(
            lambda: not _wrong(five),
            lambda: f"all is whole, but: {_wrong(five)}",
            timeout_s=DEADLINE_S,
            not_yet=(Unavailable,),
        )
        assert five.guests.ids() == running, "none was started anew"
    five.root.delete_pool(POOL)
    if deleting is not None:
        until(lambda: _deaths(five) == before + 2, f"the server is killed at {deleting}", timeout_s=DEADLINE_S)
    until(lambda: _gone(five), "the pool is gone", timeout_s=DEADLINE_S, not_yet=(Unavailable,))
    until(lambda: not _left(five), lambda: f"nothing is left, but: {_left(five)}", timeout_s=DEADLINE_S)
    five.stop()
