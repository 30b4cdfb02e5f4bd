"""A memory limit for a benchmark and all that it starts: a cgroup (v1), whose usage and compressed swap are one sum."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup/memory")
NAME = "frazil-bench"


@contextmanager
def limited(limit_mib: int) -> Iterator[Path]:
    """This process and its children in a cgroup with so much memory. OSError where there are no memory cgroups v1."""
    if not (ROOT / "memory.limit_in_bytes").exists():
        raise OSError(f"{ROOT} is no memory cgroup (v1): the limit can't be kept here.")
    place = ROOT / NAME
    if place.exists():
        _remove(place)  # of a run that was killed; OSError while processes of it are left
    place.mkdir()
    try:
        (place / "memory.limit_in_bytes").write_text(str(limit_mib << 20))
        (place / "cgroup.procs").write_text(str(os.getpid()))
        yield place
    finally:
        (ROOT / "cgroup.procs").write_text(str(os.getpid()))
        _remove(place)


def _remove(place: Path) -> None:
    for inner in sorted((one for one in place.rglob("*") if one.is_dir()), reverse=True):
        inner.rmdir()
    place.rmdir()


class Account:
    """What is taken of the limit, read inside a machine whose root of cgroups is the limited one."""

    def __init__(self, limit_mib: int) -> None:
        self.limit_mib = limit_mib

    def keep(self) -> None:
        """Take what the compressed swap holds off the limit: it is not the cgroup's, but it is memory too."""
        (ROOT / "memory.limit_in_bytes").write_text(str((self.limit_mib - self.compressed_mib()) << 20))

    def compressed_mib(self) -> int:
        """Memory in which the host's zram keeps pages."""
        stats = [file.read_text().split() for file in Path("/sys/block").glob("zram*/mm_stat")]
        return sum(int(words[2]) for words in stats) >> 20

    def taken_mib(self) -> dict[str, int]:
        """`held` can't be given back: anonymous memory, mapped files (templates), the kernel's own."""
        stat = dict(line.split() for line in (ROOT / "memory.stat").read_text().splitlines())
        kernel = int((ROOT / "memory.kmem.usage_in_bytes").read_text())
        held = int(stat["total_rss"]) + int(stat["total_mapped_file"]) + int(stat["total_shmem"]) + kernel
        return {
            "anonymous": int(stat["total_rss"]) >> 20,
            "mapped_files": int(stat["total_mapped_file"]) >> 20,
            "kernel": kernel >> 20,
            "page_cache": int(stat["total_cache"]) >> 20,
            "compressed": self.compressed_mib(),
            "held": (held >> 20) + self.compressed_mib(),
        }

    def killed(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        words = dict(line.split() for line in (ROOT / "memory.oom_control").read_text().splitlines())
        return int(words["oom_kill"])
