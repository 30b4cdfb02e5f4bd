"""What the desktops of this host take, from /proc and the file system. Blocking.

A fork maps its template's memory privately: what it reads is the page cache's, what it wrote is its own anonymous
memory. So what one desktop costs is its anonymous and shared-anonymous memory (proportionally, which counts a page that
KSM merged once in all) and its page tables; the template is counted once, by its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from frazil.server.hypervisor.domainxml.memory import BACKEND

PROC = Path("/proc")
_OWN = ("Pss_Anon", "Pss_Shmem")


@dataclass(frozen=True, slots=True)
class Process:
    """The QEMU of a desktop; `forked`: its memory is mapped privately from a template's."""

    pid: int
    forked: bool


def processes(proc: Path = PROC) -> dict[str, Process]:
    """The QEMU of each domain that Frazil made and named, by desktop id."""
    found: dict[str, Process] = {}
    for place in proc.iterdir():
        if not place.name.isdecimal():
            continue
        try:
            argv = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if "-uuid" not in argv[:-1] or not any(word.startswith("guest=frazil-") for word in argv):
            continue
        backend = next((word for word in argv if word.startswith(f"memory-backend-file,id={BACKEND},")), "")
        found[argv[argv.index("-uuid") + 1]] = Process(int(place.name), backend.endswith("share=off"))
    return found


def own_memory_mib(pid: int, proc: Path = PROC, *, swap_takes: float = 1.0) -> int | None:
    """What a process takes for itself; None when it has ended. Takes some milliseconds of the process's time.

    swap_takes: the memory that one swapped page takes: less than 1 where swap is compressed memory.
    proc(5), `smaps_rollup`. Kernels before 5.10 don't tell anonymous from file memory: its private dirty pages count.
    """
    try:
        rollup = _kib(proc / str(pid) / "smaps_rollup")
        tables = _kib(proc / str(pid) / "status").get("VmPTE", 0)
    except OSError:
        return None
    if not rollup:
        return None  # a zombie
    written = _OWN if "Pss_Anon" in rollup else ("Private_Dirty",)
    own = sum(rollup.get(name, 0) for name in written) + round(rollup.get("SwapPss", 0) * swap_takes)
    return -(-(own + tables) // 1024)


def swapped_kib(pid: int, proc: Path = PROC) -> int:
    """How much of a process lies in swap, as proc(5)'s `status` has it; 0 when it has ended."""
    try:
        return _kib(proc / str(pid) / "status").get("VmSwap", 0)
    except OSError:
        return 0


def _kib(path: Path) -> dict[str, int]:
    """Lines like `Name:   123 kB`."""
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB" and words[0].isdecimal():
            found[name] = int(words[0])
    return found


def file_mib(path: Path) -> int:
    """What a sparse file really holds; 0 when it is not there."""
    try:
        return -(-path.stat().st_blocks * 512 // (1 << 20))
    except OSError:
        return 0


def templates_mib(root: Path) -> int:
    """The memory of all templates, whole or in the making: the page cache that forks share."""
    return sum(file_mib(ram) for pattern in ("*/ram", ".staging/*/ram") for ram in root.glob(pattern))


def desktop_mib(desktop_id: str, proc: Path = PROC) -> int:
    """What one desktop takes for itself; 0 when it has no QEMU here."""
    process = processes(proc).get(desktop_id)
    return (own_memory_mib(process.pid, proc) or 0) if process is not None else 0
