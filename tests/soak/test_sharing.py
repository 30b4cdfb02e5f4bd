"""Many forks of one template: fifty differ in all that must differ, and two hundred leave the template as it was.

Writes ``build/soak-sharing.json``.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from frazil.model.desktop import Power
from frazil.wire.hostlink import DesktopSpec, Profile
from tests.integration.server.lab import Lab, lab
from tests.integration.server.test_forks import checksums, look

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts guests"),
    pytest.mark.usefixtures("libvirtd"),
]
REPORT = Path(__file__).parents[2] / "build" / "soak-sharing.json"
PROFILE = Profile(usb_channels=0)
TOGETHER = 50
ALL = 200
AT_ONCE = 8
MARK = "test ! -e /root/mine && test ! -e /run/mine && hostname | tee /root/mine > /run/mine && sync"
"""Nothing of another fork is there; then its own name is, on the disk and in memory."""
IS_ITS_OWN = 'test "$(cat /root/mine /run/mine)" = "$(hostname; hostname)"'
HEAVY = """
dd if=/dev/urandom of=/root/much bs=1M count=40 2>/dev/null; sync; rm /root/much; sync; fstrim /
dd if=/dev/urandom of=/dev/shm/much bs=1M count=40 2>/dev/null; rm /dev/shm/much
find /usr -xdev -type f -newer /nothing 2>/dev/null; echo 3 > /proc/sys/vm/drop_caches; echo done
"""


async def test_fifty_differ_and_two_hundred_leave_the_template_as_it_was() -> None:
    async with lab() as at:
        template = await at.template(PROFILE)
        before, began_s = checksums(template), time.monotonic()
        specs = [at.spec(PROFILE, name=f"many {n}") for n in range(TOGETHER)]
        found = []
        for part in _parts(specs):
            await _running(at, part)
            found += [await look(at, spec.desktop_id) for spec in part]
            for spec in part:
                await at.shell(spec.desktop_id, MARK)
            # Fifty that idle would keep two emulated processors busy with nothing else.
            at.want(*(spec.model_copy(update={"power": Power.PAUSED}) for spec in part))
        different = {thing: len({one[thing] for one in found}) for thing in found[0]}
        assert set(different.values()) == {TOGETHER}, different
        print(f"{TOGETHER} forks that differ, {time.monotonic() - began_s:.0f} s", flush=True)
        for part in _parts(specs):
            await _running(at, part)
            for spec in part:
                await at.shell(spec.desktop_id, IS_ITS_OWN)
            await _use(at, part)
        for part in _parts([at.spec(PROFILE, name=f"many {n}") for n in range(TOGETHER, ALL)]):
            await _running(at, part)
            for spec in part:
                await at.shell(spec.desktop_id, MARK)
            await _use(at, part)
            print(f"{part[-1].name}, {time.monotonic() - began_s:.0f} s", flush=True)
        restarts = sum(kind == "restarted" for _, kind, _ in at.events)
        unchanged = checksums(template) == before
    report = {
        "forks": ALL, "restarts": restarts, "minutes": round((time.monotonic() - began_s) / 60, 1),
        "different_values_of_so_many": {"forks": TOGETHER, **different}, "template_unchanged": unchanged,
    }  # fmt: skip
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    assert unchanged


def _parts(specs: list[DesktopSpec]) -> list[list[DesktopSpec]]:
    return [specs[first : first + AT_ONCE] for first in range(0, len(specs), AT_ONCE)]


async def _running(at: Lab, specs: list[DesktopSpec]) -> None:
    at.want(*specs)
    await at.ready(*(spec.desktop_id for spec in specs))


async def _use(at: Lab, specs: list[DesktopSpec]) -> None:
    """Write much, discard, reboot one, which ends it and makes a fresh fork; then all go."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def heavy(spec: DesktopSpec) -> None:
        async with slots:
            assert await at.shell(spec.desktop_id, HEAVY, timeout_s=300) == "done\n"

    async with asyncio.TaskGroup() as tasks:
        for spec in specs:
            tasks.create_task(heavy(spec))
    one = specs[0].desktop_id
    restarts = sum(kind == "restarted" for _, kind, _ in at.events)
    await at.shell(one, "nohup sh -c 'sleep 0.5; reboot -f' >/dev/null 2>&1 &")
    await at.until(
        lambda: sum(kind == "restarted" for _, kind, _ in at.events) > restarts, "a fresh fork", timeout_s=120
    )
    await at.ready(one)
    await at.absent(*(spec.desktop_id for spec in specs), timeout_s=300)
