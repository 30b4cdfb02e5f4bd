"""What strays take is in the reckoning of room: real processes, real /proc."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from frazil.server.density.watch import DensityWatch
from frazil.settings import Settings

TAKES_MIB = 48
STRAY, STRANGER = "01900000-0000-7000-8000-0000000000a1", "01900000-0000-7000-8000-0000000000b2"
_QEMU = "import sys; kept = bytearray(b'x') * (int(sys.argv[1]) << 20); print(flush=True); sys.stdin.read()"


@pytest.fixture
def qemus() -> Iterator[None]:
    """Two that look like QEMUs of Frazil's: one is a stray of ours, one of an installation that is not ours."""
    with ExitStack() as running:
        for desktop_id in (STRAY, STRANGER):
            argv = [
                sys.executable,
                "-c",
                _QEMU,
                str(TAKES_MIB),
                "-uuid",
                desktop_id,
                "-name",
                f"guest=frazil-{desktop_id}",
            ]
            process = running.enter_context(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            running.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n"
        yield


async def test_a_stray_of_ours_counts_until_it_is_none_and_a_strangers_never(tmp_path: Path, qemus: None) -> None:
    settings = Settings(
        state_dir=tmp_path, run_dir=tmp_path, ksm=False, zram=False, memory_for_desktops_mib=1000, desktops_per_cpu=5
    )
    settings.desktops_dir.mkdir()
    strays = {STRAY}
    watch = DensityWatch(settings, desktops=list, templates=list, changed=lambda: None, strays=lambda: strays)
    await watch.look()
    room = watch.headroom()
    assert TAKES_MIB <= room.used_mib < 2 * TAKES_MIB
    assert room.memory_mib <= 1000 - TAKES_MIB
    assert room.counted == [], "no desktop of the controller's is counted for it"
    strays.clear()
    await watch.look()
    assert watch.headroom().used_mib == 0
