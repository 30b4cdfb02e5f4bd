"""What is read of processes."""

from __future__ import annotations

import os
from pathlib import Path

from frazil.server.density.measuring import Process, desktop_mib, file_mib, own_memory_mib, processes

FORK = "/usr/bin/qemu-system-x86_64\0-name\0guest=frazil-d1,debug-threads=on\0-uuid\0d1\0-object\0" \
    "memory-backend-file,id=frazil-ram,size=768M,mem-path=/t/k/ram,share=off\0"  # fmt: skip
COLD = "/usr/bin/qemu-system-x86_64\0-name\0guest=frazil-d2,debug-threads=on\0-uuid\0d2\0"
FOREIGN = "/usr/bin/qemu-system-x86_64\0-name\0guest=mine\0-uuid\0d3\0"
ROLLUP = "7f00-7fff ---p 00000000 00:00 0    [rollup]\nPss:  9000 kB\nPrivate_Dirty: 70000 kB\nSwapPss: 1024 kB\n"


def proc(place: Path, **files: str) -> Path:
    for name, text in files.items():
        pid, _, file = name.removeprefix("p").partition("_")
        (place / pid).mkdir(exist_ok=True)
        (place / pid / file).write_text(text)
    (place / "meminfo").write_text("")
    return place


def test_desktops_are_told_from_others_and_forks_from_the_rest(tmp_path: Path) -> None:
    root = proc(tmp_path, p1_cmdline=FORK, p2_cmdline=COLD, p3_cmdline=FOREIGN, p4_cmdline="bash\0-uuid")
    assert processes(root) == {"d1": Process(1, True), "d2": Process(2, False)}


def test_own_memory_is_anonymous_memory_and_page_tables(tmp_path: Path) -> None:
    told = ROLLUP + "Pss_Anon: 51200 kB\nPss_File: 300000 kB\nPss_Shmem: 1024 kB\n"
    root = proc(tmp_path, p1_cmdline=FORK, p1_smaps_rollup=told, p1_status="VmPTE:\t 1024 kB\n")
    assert own_memory_mib(1, root) == 50 + 1 + 1 + 1
    assert own_memory_mib(1, root, swap_takes=0.0) == 50 + 1 + 1
    assert desktop_mib("d1", root) == 53
    assert desktop_mib("d9", root) == 0


def test_an_older_kernel_and_one_that_ended(tmp_path: Path) -> None:
    root = proc(tmp_path, p1_smaps_rollup=ROLLUP, p1_status="", p2_smaps_rollup="", p2_status="")
    assert own_memory_mib(1, root) == -(-(70000 + 1024) // 1024)
    assert own_memory_mib(2, root) is None
    assert own_memory_mib(3, root) is None


def test_this_very_process_can_be_measured(tmp_path: Path) -> None:
    before = own_memory_mib(os.getpid())
    ballast = bytearray(os.urandom(64 << 20))
    after = own_memory_mib(os.getpid())
    assert before is not None
    assert after is not None
    assert 60 <= after - before <= 200
    assert len(ballast) == 64 << 20
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(1 << 30)
        file.write(b"x" * (3 << 20))
    assert file_mib(sparse) == 3
    assert file_mib(tmp_path / "none") == 0
