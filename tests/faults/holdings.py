"""What processes and directories hold, before and after: what grows without end is a leak."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from frazil.server.density.measuring import own_memory_mib


class Held(NamedTuple):
    """What a process holds."""

    pid: int
    descriptors: int
    threads: int
    memory_mib: int


MORE = Held(pid=0, descriptors=0, threads=2, memory_mib=4)
"""What a process may hold more than before: pools of threads fill, and memory comes in pieces."""
PASSING = ("-wal", "-shm")
"""SQLite's files beside a database come and go."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What they hold at one moment, by their names; files: how many there are."""

    processes: dict[str, Held]
    files: dict[str, int]

    def grown(self, before: Holdings) -> list[str]:
        """What is more than it may be. That a process is another one counts too."""
        found = [
            f"{name}: {what} {then} -> {now}"
            for name, held in self.processes.items()
            for what, then, now, more in zip(Held._fields, before.processes[name], held, MORE, strict=True)
            if now > then + more or (what == "pid" and now != then)
        ]
        return found + [
            f"{name}: files {before.files[name]} -> {now}"
            for name, now in self.files.items()
            if now > before.files[name]
        ]


def holdings(processes: dict[str, int], directories: dict[str, Path]) -> Holdings:
    """Of these processes and directories now."""
    return Holdings(
        {name: _held(pid) for name, pid in processes.items()}, {name: _files(at) for name, at in directories.items()}
    )


def _held(pid: int) -> Held:
    proc = Path(f"/proc/{pid}")
    memory_mib = own_memory_mib(pid)
    assert memory_mib is not None, f"process {pid} has ended"
    return Held(pid, len(os.listdir(proc / "fd")), len(os.listdir(proc / "task")), memory_mib)


def _files(root: Path) -> int:
    """Of any kind, at any depth."""
    return sum(
        len(directories) + sum(not name.endswith(PASSING) for name in names) for _, directories, names in os.walk(root)
    )
