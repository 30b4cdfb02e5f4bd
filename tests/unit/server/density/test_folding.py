"""Which memory is folded away, and when that is worth it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from frazil.server.density import folder, measuring
from frazil.server.density.folder import Folder
from frazil.server.density.folding import CALL_MAX_BYTES, IOV_MAX, _parts, own_mappings, worth_it
from frazil.server.density.measuring import Process
from frazil.server.density.zram import Held, Zram

MAPS = """\
55d0c1a00000-55d0c1c00000 r-xp 00000000 fe:00 1234 /usr/bin/qemu-system-x86_64
55d0c3000000-55d0c5000000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0030000000 rw-p 00000000 fe:00 99 /var/lib/frazil/templates/a b/ram
7f0040000000-7f0048000000 rwxp 00000000 00:00 0
7f0050000000-7f0050100000 rw-s 00000000 00:01 7 /dev/zero (deleted)
7f0060000000-7f0060001000 ---p 00000000 00:00 0
7f0070000000-7f0070001000 r--p 00000000 fe:00 5 /usr/lib/libspice-server.so.1
"""


def test_only_what_is_written_and_shared_with_nobody() -> None:
    assert own_mappings(MAPS) == [
        (0x55D0C3000000, 0x2000000),
        (0x7F0000000000, 0x30000000),
        (0x7F0040000000, 0x8000000),
    ]


@pytest.mark.parametrize(("taken_mib", "so"), [(0, False), (7_999, False), (8_000, True), (20_000, True)])
def test_worth_it_from_half_of_the_budget(taken_mib: int, so: bool) -> None:
    assert worth_it(taken_mib=taken_mib, budget_mib=16_000) is so


GIB = 1 << 30


@pytest.mark.parametrize(
    "mappings",
    [
        [],
        [(0x1000, 0x1000)],
        [(0x1000, GIB)],
        [(0x1000, 2 * GIB)],
        [(0x1000, 0x5000), (0x10000000, 8 * GIB + 0x3000), (0x7F0000000000, 0x1000)],
        [(at * 0x2000, 0x1000) for at in range(2 * IOV_MAX + 1)],
    ],
)
def test_no_call_is_asked_for_more_than_the_kernel_takes_and_nothing_is_left_out(
    mappings: list[tuple[int, int]],
) -> None:
    parts = list(_parts(mappings))
    assert all(part and len(part) <= IOV_MAX for part in parts)
    assert all(sum(length for _, length in part) <= CALL_MAX_BYTES for part in parts)
    joined: list[tuple[int, int]] = []
    for start, length in (mapping for part in parts for mapping in part):
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((start, length))
    assert joined == mappings


class _AlwaysThere(Zram):
    """Compressed memory that is always there."""

    def begin(self) -> bool:
        return True

    def held(self) -> Held:
        return Held(0, 0)

    def put_back(self) -> None:
        pass


async def test_one_that_cannot_be_folded_lets_the_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fold(pid: int) -> bool:
        tried.append(pid)
        return pid > 3

    monkeypatch.setattr(folder, "fold", fold)
    processes = {f"d{pid}": Process(pid, True) for pid in range(1, 6)}
    host = Folder(_AlwaysThere(tmp_path / "zram.json"))
    await host.begin()
    try:
        for _ in range(3):
            await host.look(processes, processes, taken_mib=10, budget_mib=10)
    finally:
        host.end()
    assert tried == [1, 2, 3, 4, 5, 1, 2, 3, 1]
    assert [one for one in processes if host.is_folded(one)] == ["d4", "d5"]


async def test_folding_takes_no_processor_that_somebody_else_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    seen: list[int] = []

    def fold(_pid: int) -> bool:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return True

    monkeypatch.setattr(folder, "fold", fold)
    host = Folder(_AlwaysThere(tmp_path / "zram.json"))
    await host.begin()
    try:
        await host.look(["paused"], {"paused": Process(1, forked=True)}, taken_mib=10, budget_mib=10)
    finally:
        host.end()
    assert seen == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


async def test_one_that_was_used_between_two_looks_is_folded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies_kib = {1: 100, 2: 100}
    tried: list[int] = []

    def fold(pid: int) -> bool:
        tried.append(pid)
        return True

    monkeypatch.setattr(folder, "fold", fold)
    monkeypatch.setattr(measuring, "swapped_kib", lies_kib.get)
    processes = {"used": Process(1, True), "left alone": Process(2, True)}
    host = Folder(_AlwaysThere(tmp_path / "zram.json"))
    await host.begin()
    try:
        await host.look(processes, processes, taken_mib=10, budget_mib=10)
        lies_kib[1], lies_kib[2] = 40, 60
        await host.look(processes, processes, taken_mib=10, budget_mib=10)
    finally:
        host.end()
    assert tried == [1, 2, 1]
