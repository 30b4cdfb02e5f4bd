"""Disk and memory: whether there is room for an image and a first desktop."""

from __future__ import annotations

import os
import re
from pathlib import Path

from frazil.cli.doctor.finding import Check, Finding, Level

GIB = 1 << 30
DISK_NEEDED_BYTES = 4 * GIB
"""A guest image while it is built (3 GiB) and a desktop's first writes."""
DISK_COMFORT_BYTES = 20 * GIB
MEMORY_NEEDED_BYTES = int(1.5 * GIB)
"""One desktop of 768 MiB, its QEMU, and Frazil's three processes."""
MEMORY_COMFORT_BYTES = 4 * GIB
MEMINFO = Path("/proc/meminfo")
ROOM = frozenset({"disk", "memory"})
"""The checks of this module."""


def look_disk(place: Path, *, needed_bytes: int = DISK_NEEDED_BYTES) -> Finding:
    """Free space where images and desktops will lie; `place` need not exist yet."""
    there = place
    while not there.exists():
        there = there.parent
    about = os.statvfs(there)
    free = about.f_bavail * about.f_frsize
    shown = f"{free / GIB:.1f} GiB free for {place}"
    if free < needed_bytes:
        return Finding(
            check="disk",
            level=Level.FAILED,
            what=f"Only {shown}; {needed_bytes / GIB:.1f} GiB are needed.",
            means="A guest image can't be built, and desktops stop when the disk is full.",
            mend=f"df -h {there}   # make room there, or set state_dir in /etc/frazil/frazil.toml to a larger disk",
        )
    if about.f_favail == 0 and about.f_files > 0:
        return Finding(
            check="disk",
            level=Level.FAILED,
            what=f"The file system of {place} has no free inodes.",
            means="No file can be made there, whatever space is free.",
            mend=f"df -i {there}",
        )
    if free < DISK_COMFORT_BYTES:
        return Finding(
            check="disk",
            level=Level.WARNING,
            what=f"{shown}.",
            means="Enough to begin with; twenty desktops in use may need 20 GiB.",
            mend=f"df -h {there}",
        )
    return Finding(check="disk", level=Level.OK, what=f"{shown}.")


def look_memory(meminfo: Path = MEMINFO) -> Finding:
    """Memory that is available now."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        return Finding(check="memory", level=Level.WARNING, what=f"{meminfo} does not tell the available memory.")
    available = int(match[1]) * 1024
    shown = f"{available / GIB:.1f} GiB of memory available"
    biggest = "ps -eo rss,comm --sort=-rss | head   # what holds the most"
    if available < MEMORY_NEEDED_BYTES:
        return Finding(
            check="memory",
            level=Level.FAILED,
            what=f"Only {shown}; {MEMORY_NEEDED_BYTES / GIB:.1f} GiB are needed.",
            means="Not one desktop fits.",
            mend=biggest,
        )
    if available < MEMORY_COMFORT_BYTES:
        desktops = (available - MEMORY_NEEDED_BYTES) // (768 << 20) + 1
        return Finding(
            check="memory",
            level=Level.WARNING,
            what=f"{shown}.",
            means=f"Room for about {desktops} desktop{'s' if desktops > 1 else ''} of 768 MiB.",
            mend=biggest,
        )
    return Finding(check="memory", level=Level.OK, what=f"{shown}.")


def checks(state_dir: Path) -> list[Check]:
    return [
        Check(name="disk", look=lambda: look_disk(state_dir)),
        Check(name="memory", look=look_memory),
    ]
