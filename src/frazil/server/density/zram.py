"""Compressed memory: a swap device of the kernel's zram, in which paused desktops take a third of their room.

Nothing is written to a disk. A desktop that is resumed has its pages back at a few microseconds each, so it answers as
before. See https://docs.kernel.org/admin-guide/blockdev/zram.html.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import structlog

from frazil.server.host_facts import meminfo_mib

log = structlog.get_logger(__name__)

SYS = Path("/sys")
SWAPS = Path("/proc/swaps")
COMMAND_DEADLINE_S = 30.0
LEAST_PRIORITY = 100
HIGHEST_PRIORITY = 32767
"""The kernel fills devices of one priority in turn, so ours goes before every other: what is folded lies in it."""
STRAY_KIB = 16 * 1024
"""What the kernel may have put there of other programs; it is brought back at once. A folded desktop is far more."""
ALGORITHMS = ("zstd", "lzo-rle", "lz4", "lzo")
"""The tightest first; which of them a kernel has differs."""


@dataclass(frozen=True, slots=True)
class Held:
    """What lies compressed: `pages_mib` of desktops' memory in `room_mib` of the host's."""

    pages_mib: int
    room_mib: int

    @property
    def ratio(self) -> float:
        """Room for one of pages; 1 while nothing is held."""
        return self.room_mib / self.pages_mib if self.pages_mib else 1.0


class Zram:
    """One device of ours. Its name is kept in `record`, so that the next process finds it; both go with a reboot.

    Every method blocks for milliseconds; `begin` and `put_back` for as long as swap takes to go on and off.
    """

    def __init__(self, record: Path, *, wanted: bool = True, sys: Path = SYS, swaps: Path = SWAPS) -> None:
        self._record = record
        self._wanted = wanted
        self._sys = sys
        self._swaps = swaps
        self._name: str | None = None

    def begin(self) -> bool:
        """Have the device. False, the reason logged, where this host can't: paused desktops keep their room."""
        recorded = self._recorded()
        if recorded is not None and self._is_swap(recorded):
            self._name = recorded
            return True
        if recorded is not None:  # a process was killed before its device could swap
            self._remove(recorded)
        if not self._wanted:
            return False
        try:
            self._name = self._make()
        except (OSError, subprocess.SubprocessError) as exc:
            log.info("no-compressed-memory", why=str(exc), means="Paused desktops keep the memory that they took.")
            return False
        return True

    def _recorded(self) -> str | None:
        """The device that an earlier process made."""
        try:
            return str(json.loads(self._record.read_text(encoding="utf-8"))["device"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as exc:
            log.warning("zram-record-unreadable", why=str(exc))
            return None

    def _rows(self) -> list[list[str]]:
        """What swaps now: file, type, size in KiB, used KiB, priority."""
        return [line.split() for line in self._swaps.read_text(encoding="ascii").splitlines()[1:]]

    def _is_swap(self, name: str) -> bool:
        return f"/dev/{name}" in [row[0] for row in self._rows()]

    def _priority(self) -> int:
        taken = [int(row[4]) for row in self._rows()]
        return min(max([LEAST_PRIORITY, *(one + 1 for one in taken)]), HIGHEST_PRIORITY)

    def _make(self) -> str:
        number = (self._sys / "class/zram-control/hot_add").read_text(encoding="ascii").strip()
        name = f"zram{number}"
        block = self._sys / "block" / name
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self._record.write_text(json.dumps({"device": name}), encoding="utf-8")
        try:
            known = (block / "comp_algorithm").read_text(encoding="ascii").replace("[", "").replace("]", "").split()
            best = next((one for one in ALGORITHMS if one in known), None)
            if best is not None:
                (block / "comp_algorithm").write_text(best, encoding="ascii")
            total_mib = meminfo_mib("MemTotal")
            (block / "disksize").write_text(f"{2 * total_mib}M", encoding="ascii")
            (block / "mem_limit").write_text(f"{total_mib // 2}M", encoding="ascii")
            _run("mkswap", f"/dev/{name}")
            _run("swapon", "--priority", str(self._priority()), f"/dev/{name}")
        except BaseException:
            self._remove(name)
            raise
        log.info("compressed-memory", device=name, algorithm=best, at_most_mib=total_mib // 2)
        return name

    def held(self) -> Held:
        """What lies in it now (`mm_stat`: bytes of pages, bytes compressed, bytes of memory used)."""
        if self._name is None:
            return Held(0, 0)
        try:
            words = (self._sys / "block" / self._name / "mm_stat").read_text(encoding="ascii").split()
        except OSError:
            return Held(0, 0)
        return Held(int(words[0]) >> 20, int(words[2]) >> 20)

    def put_back(self) -> None:
        """Take the device away, unless desktops lie in it: it then stays for the next process."""
        if self._name is None or self._used_kib(self._name) > STRAY_KIB:
            return
        name, self._name = self._name, None
        try:
            _run("swapoff", f"/dev/{name}")
        except (OSError, subprocess.SubprocessError) as exc:
            log.warning("zram-not-put-back", device=name, why=str(exc))
            return
        self._remove(name)

    def _used_kib(self, name: str) -> int:
        return next((int(row[3]) for row in self._rows() if row[0] == f"/dev/{name}"), 0)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):  # a device in use stays, and is found again by the record
            (self._sys / "block" / name / "reset").write_text("1", encoding="ascii")
            (self._sys / "class/zram-control/hot_remove").write_text(name.removeprefix("zram"), encoding="ascii")
            self._record.unlink(missing_ok=True)


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_DEADLINE_S, check=False
    )
    if done.returncode != 0:
        raise OSError(f"{argv[0]}: {done.stderr.strip()}")
