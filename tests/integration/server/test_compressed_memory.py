"""Compressed memory on this kernel: what a process wrote takes less room, and is whole when it comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from frazil.server.density.folder import Folder
from frazil.server.density.folding import fold
from frazil.server.density.measuring import Process, own_memory_mib
from frazil.server.density.zram import SWAPS, Zram

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(60),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes a swap device"),
    pytest.mark.skipif(not Path("/sys/class/zram-control/hot_add").exists(), reason="this kernel has no zram"),
]
MIB = 48
HOLDER = f"""
import hashlib, sys
held = bytearray(b"desktop " * ({MIB} * 131072))
for at in range(0, len(held), 4096):
    held[at:at + 8] = at.to_bytes(8, "little")
before = hashlib.sha256(held).hexdigest()
print("ready", flush=True)
sys.stdin.readline()
print(hashlib.sha256(held).hexdigest() == before, flush=True)
sys.stdin.readline()
"""


@contextmanager
def _holder() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert _line(process) == "ready"
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _swapped_mib(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmSwap")]
    return int(line.split()[1]) >> 10


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Zram]:
    """Compressed memory that the host has already, as many distributions set it up."""
    zram = Zram(tmp_path / "other.json")
    assert zram.begin()
    yield zram
    zram.put_back()


def test_what_is_folded_takes_less_room_and_comes_back_whole(tmp_path: Path, other: Zram) -> None:
    zram = Zram(tmp_path / "run" / "zram.json")
    assert zram.begin()
    try:
        before = zram.held()
        with _holder() as process:
            assert fold(process.pid)
            held = zram.held()
            assert _swapped_mib(process.pid) >= MIB * 3 // 4
            assert held.pages_mib - before.pages_mib >= MIB * 3 // 4
            assert other.held().pages_mib < MIB // 4
            assert held.room_mib - before.room_mib < MIB // 3
            assert held.ratio < 0.5

            # It stays while somebody lies in it, and the next process finds it.
            zram.put_back()
            after = Zram(tmp_path / "run" / "zram.json", wanted=False)
            assert after.begin()
            assert after.held().pages_mib >= MIB * 3 // 4

            _go_on(process)
            assert _line(process) == "True"
            assert _swapped_mib(process.pid) < MIB // 4
    finally:
        devices = SWAPS.read_text()
        zram.put_back()
    assert "zram" in devices
    assert not (tmp_path / "run" / "zram.json").exists()


def test_a_device_that_never_came_to_swap_is_taken_away(tmp_path: Path) -> None:
    record = tmp_path / "zram.json"
    name = f"zram{Path('/sys/class/zram-control/hot_add').read_text().strip()}"
    record.write_text(json.dumps({"device": name}))
    zram = Zram(record)
    assert zram.begin()
    try:
        made = json.loads(record.read_text())["device"]
        assert f"/dev/{made} " in SWAPS.read_text()
        assert made == name or not Path("/sys/block", name).exists()
    finally:
        zram.put_back()
    assert not Path("/sys/block", made).exists()


def test_a_process_that_ended_is_not_folded() -> None:
    with _holder() as process:
        pid = process.pid
    assert not fold(pid)


def test_without_leave_nothing_is_made(tmp_path: Path) -> None:
    zram = Zram(tmp_path / "zram.json", wanted=False)
    assert not zram.begin()
    assert zram.held().pages_mib == 0


def test_a_kernel_without_zram_is_no_error(tmp_path: Path) -> None:
    zram = Zram(tmp_path / "zram.json", sys=tmp_path)
    assert not zram.begin()
    zram.put_back()


async def test_paused_desktops_are_folded_once_half_of_the_memory_is_taken(tmp_path: Path) -> None:
    zram = Zram(tmp_path / "zram.json")
    folder = Folder(zram)
    await folder.begin()
    try:
        with _holder() as paused, _holder() as used:
            processes = {"paused": Process(paused.pid, forked=True), "used": Process(used.pid, forked=True)}
            await folder.look(["paused"], processes, taken_mib=100, budget_mib=1000)
            assert not folder.is_folded("paused")
            before = own_memory_mib(paused.pid) or 0
            await folder.look(["paused"], processes, taken_mib=500, budget_mib=1000)
            assert folder.is_folded("paused")
            assert _swapped_mib(paused.pid) >= MIB * 3 // 4
            assert _swapped_mib(used.pid) == 0
            assert (own_memory_mib(paused.pid, swap_takes=folder.held.ratio) or 0) < before // 2
            await folder.look([], processes, taken_mib=500, budget_mib=1000)  # it was resumed
            assert not folder.is_folded("paused")
    finally:
        folder.end()
    assert not (tmp_path / "zram.json").exists()
