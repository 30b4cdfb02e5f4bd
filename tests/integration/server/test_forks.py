"""Forks of one template: nothing is shared that must not be, and the template stays as it was."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from frazil.model.desktop import Power
from frazil.server.density import measuring
from frazil.server.hypervisor.resting import EXACT_NS, REST_NS, Resting
from frazil.server.templates.store import Template
from frazil.server.templates.templates import Making
from frazil.wire.hostlink import Profile
from tests.harness.waiting import until
from tests.integration.server.lab import IMAGE_ID, Lab

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

PROFILE = Profile(usb_channels=0)
COUNT = 4
CLOCK_TOLERANCE_S = 3.0

DIFFERENT = {"host", "machine", "ssh", "mac", "random", "address"}
LOOK = """
address() { ip -4 -o addr show dev eth0 2>/dev/null | awk '{print $4}'; }
for i in $(seq 150); do a=$(address); test -n "$a" && break; sleep 0.2; done
echo host $(hostname)
echo machine $(cat /etc/machine-id)
echo ssh $(cat /etc/ssh/ssh_host_ed25519_key.pub)
echo mac $(cat /sys/class/net/eth0/address)
echo random $(python3 -c 'import os; print(os.getrandom(32).hex())')
echo address $a
echo clock $(date +%s.%N)
"""


@dataclass(frozen=True, slots=True)
class Files:
    """What a template consists of, as checksums."""

    ram: str
    state: str
    disk: str


def checksums(template: Template) -> Files:
    return Files(*(digest(path) for path in (template.ram, template.state, template.disk)))


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def look(at: Lab, desktop_id: str) -> dict[str, str]:
    """What must differ between forks, by `DIFFERENT`; its clock is right."""
    said = await at.shell(desktop_id, LOOK)
    now = at.clock.now().timestamp()
    found = dict(line.split(" ", 1) for line in said.splitlines())
    assert found.keys() - {"clock"} == DIFFERENT, said
    assert abs(float(found.pop("clock")) - now) < CLOCK_TOLERANCE_S
    return found


async def test_nothing_is_shared_and_the_template_stays_as_it_was(made: Lab) -> None:
    template = await made.template(PROFILE)
    before = checksums(template)
    specs = [made.spec(PROFILE, name=f"Class 3 desk {n}") for n in range(COUNT)]
    ids = [spec.desktop_id for spec in specs]
    made.want(*specs)
    await made.ready(*ids)
    found = [await look(made, desktop_id) for desktop_id in ids]

    for thing in found[0]:
        values = [one[thing] for one in found]
        assert len(set(values)) == COUNT, (thing, values)
    assert [one["host"] for one in found] == [f"class-3-desk-{n}" for n in range(COUNT)]
    assert all(one["address"] for one in found)

    # A write in one is in no other: neither in a file on the disk nor in memory.
    await made.shell(ids[0], "echo mine > /root/mine; echo mine > /run/mine; sync")
    for other in ids[1:]:
        assert await made.shell(other, "ls /root/mine /run/mine 2>/dev/null | wc -l") == "0\n"

    # Heavy writes to disk and memory, discards, and a reboot, which ends the fork and makes a fresh one.
    heavy = "dd if=/dev/urandom of=/root/much bs=1M count=60 2>/dev/null; sync; rm /root/much; sync; fstrim /; "
    heavy += "dd if=/dev/urandom of=/dev/shm/much bs=1M count=60 2>/dev/null; sync; echo 3 > /proc/sys/vm/drop_caches"
    await asyncio.gather(*(made.shell(desktop_id, heavy, timeout_s=240) for desktop_id in ids))
    await made.shell(ids[0], "nohup sh -c 'sleep 0.5; reboot -f' >/dev/null 2>&1 &")
    await made.until(lambda: any(kind == "restarted" for _, kind, _ in made.events), "a fresh fork", timeout_s=120)
    await made.until(lambda: not made.is_ready(ids[0]), "it starts again", timeout_s=60)
    await made.ready(ids[0])
    assert await made.shell(ids[0], "ls /root/mine 2>/dev/null | wc -l") == "0\n"

    await made.absent(*ids)
    assert checksums(template) == before
    assert made.store.find(template.manifest.key) == template


async def test_a_paused_fork_is_itself_when_it_goes_on(made: Lab) -> None:
    await made.template(PROFILE)
    spec = made.spec(PROFILE, name="paused")
    made.want(spec)
    await made.ready(spec.desktop_id)
    before = await look(made, spec.desktop_id)
    made.want(spec.model_copy(update={"power": Power.PAUSED}))
    await made.until(lambda: not made.is_ready(spec.desktop_id), "it is paused", timeout_s=30)
    await asyncio.sleep(2 * CLOCK_TOLERANCE_S)  # for so long its clock stands still
    made.keepers.want([])  # as after a restart of the server
    made.want(spec)
    await made.ready(spec.desktop_id)
    await made.shell(
        spec.desktop_id, f"until test $(date +%s) -ge {int(made.clock.now().timestamp())}; do sleep 0.1; done"
    )
    after = await look(made, spec.desktop_id)
    assert {**after, "random": ""} == {**before, "random": ""}
    await made.absent(spec.desktop_id)


async def test_who_is_paused_hardly_wakes_and_does_all_that_it_is_asked_for_at_once(made: Lab) -> None:
    """Its QEMU looks at its screen 33 times a second otherwise, as it does again when it goes on."""
    await made.template(PROFILE)
    spec = made.spec(PROFILE, name="rests")
    made.want(spec)
    await made.ready(spec.desktop_id)
    pid = measuring.processes()[spec.desktop_id].pid
    slack = Path(f"/proc/{pid}/timerslack_ns")
    made.want(spec.model_copy(update={"power": Power.PAUSED}))
    await asyncio.to_thread(until, lambda: int(slack.read_text()) == REST_NS, "it rests", timeout_s=30)
    assert not made.is_ready(spec.desktop_id)
    before = wakes(pid)
    await asyncio.sleep(REST_NS / 1e9)  # over which they are counted
    assert wakes(pid) - before < 30, "100 is what a QEMU that does not rest does in its main loop alone"
    async with asyncio.timeout(2.0):
        await made.hypervisor.screenshot(spec.desktop_id)
    made.want(spec)
    await made.ready(spec.desktop_id)
    assert int(slack.read_text()) == EXACT_NS

    made.keepers.want([])  # nobody lets it go on again
    await made.hypervisor.pause(spec.desktop_id)
    await asyncio.to_thread(until, lambda: int(slack.read_text()) == REST_NS, "it rests again", timeout_s=10)
    Resting().end(spec.desktop_id)  # as in another life of the server
    assert int(slack.read_text()) == EXACT_NS
    await made.hypervisor.pause(spec.desktop_id)
    async with asyncio.timeout(5.0):
        await made.hypervisor.destroy(spec.desktop_id)
    await made.absent(spec.desktop_id)


def wakes(pid: int) -> int:
    """How often its threads got a processor so far (the kernel's Documentation/scheduler/sched-stats.rst)."""
    return sum(int((task / "schedstat").read_text().split()[2]) for task in Path(f"/proc/{pid}/task").iterdir())


@pytest.mark.soak  # it boots a guest once more; test_eviction damages every part of one in the suite
async def test_a_damaged_template_is_not_used_and_is_made_anew(made: Lab) -> None:
    template = await made.template(PROFILE)
    template.state.chmod(0o600)
    with template.state.open("r+b") as file:
        file.seek(template.state.stat().st_size // 2)
        file.write(bytes(64 * 1024))
    made.templates.doubt(template, "a test damaged it")
    assert isinstance(made.templates.condition(IMAGE_ID, PROFILE), Making)

    spec = made.spec(PROFILE, name="waits")
    made.want(spec)  # waits for the new one: nothing is forked from what is damaged
    await made.ready(spec.desktop_id)
    again = await made.template(PROFILE)
    assert again.manifest.made_at != template.manifest.made_at
    assert made.store.find(again.manifest.key) is not None
    await made.absent(spec.desktop_id)
