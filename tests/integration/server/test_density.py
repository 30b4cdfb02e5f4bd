"""Real forks: what they cost, that equal memory is merged and a pool's own is not, and the cgroup that bounds them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from frazil.server.density import measuring, partition
from frazil.server.density.ksm import SYSFS, Ksm
from frazil.server.density.watch import DensityWatch
from frazil.settings import Settings
from frazil.wire.hostlink import Profile
from tests.integration.server.lab import IMAGE_ID, Lab

# The kernel merges the memory of all processes, as fast as they leave it a processor.
pytestmark = [pytest.mark.alone, pytest.mark.real, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

PROFILE = Profile(usb_channels=0)
MERGED_DEADLINE_S = 120.0
EQUAL_MIB = 24
WRITE = f"yes 'a line that is the same in every desktop' | head -c {EQUAL_MIB}M | cat -n > /run/equal"


def merged_mib(pid: int) -> int:
    """Pages of a process that are merged with others' (`ksm_merging_pages`, Linux 5.19)."""
    return int(Path(f"/proc/{pid}/ksm_merging_pages").read_text()) * 4 >> 10


def may_be_merged(pid: int, ram: Path) -> bool:
    """The flag "mg" of the mapping of the guest's memory (proc(5), smaps)."""
    lines = iter(Path(f"/proc/{pid}/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(str(ram)):
            flags = next(later for later in lines if later.startswith("VmFlags:"))
            return "mg" in flags.split()
    raise AssertionError(f"{ram} is not mapped by {pid}")


async def test_forks_are_measured_merged_and_held_together(made: Lab, tmp_path: Path) -> None:
    if not (SYSFS / "advisor_mode").exists() or not Path("/proc/self/ksm_merging_pages").exists():
        pytest.skip("needs a kernel with KSM's advisor (Linux 6.8)")
    if (SYSFS / "run").read_text().strip() == "1":
        pytest.skip("something else on this machine runs KSM")
    template = await made.template(PROFILE)
    assert 5 <= template.manifest.probe_mib <= 200
    apart = made.spec(PROFILE, name="apart").model_copy(update={"share_memory": False})
    specs = [made.spec(PROFILE, name="one"), made.spec(PROFILE, name="two"), apart]
    made.want(*specs)
    ids = [spec.desktop_id for spec in specs]
    await made.ready(*ids)
    pids = {desktop_id: process.pid for desktop_id, process in measuring.processes().items()}
    assert [may_be_merged(pids[one], template.ram) for one in ids] == [True, True, False]
    for one in ids:
        assert "/machine/frazil.partition/" in Path(f"/proc/{pids[one]}/cgroup").read_text()
        await made.shell(one, WRITE)

    settings = Settings(
        state_dir=made.place, run_dir=tmp_path, memory_for_desktops_mib=template.ram_bytes() // (1 << 20) + 2000
    )
    ksm = Ksm(wanted=True, found_file=tmp_path / "found.json")
    watch = DensityWatch(settings, desktops=lambda: specs, templates=made.templates.seen, changed=lambda: None, ksm=ksm)
    await watch.look()
    before = watch.headroom()
    [kind] = before.kinds
    assert sorted(before.counted) == sorted(ids)
    assert (kind.image_id, kind.start, kind.measured) == (IMAGE_ID, "fork", 3)
    assert EQUAL_MIB < kind.memory_mib < PROFILE.memory_mib // 2
    assert kind.bound in ("limit", "memory")
    assert kind.more == before.memory_mib // kind.memory_mib > 0
    assert before.used_mib >= template.ram_bytes() // (1 << 20) + 3 * EQUAL_MIB
    assert partition.bound(settings.memory_for_desktops_mib)
    try:
        async with asyncio.timeout(MERGED_DEADLINE_S):
            while min(merged_mib(pids[one]) for one in ids[:2]) < EQUAL_MIB:
                await watch.look()
                await asyncio.sleep(1)  # the kernel says nothing when it has merged
        await watch.look()
        after = watch.headroom()
        assert merged_mib(pids[ids[2]]) == 0
        assert after.merged_mib >= EQUAL_MIB // 2
        assert after.used_mib < before.used_mib
    finally:
        ksm.put_back()
    assert (SYSFS / "run").read_text().strip() == "0"
    await made.absent(*ids)
    await watch.look()
    assert measuring.processes().keys().isdisjoint(ids)
