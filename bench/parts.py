"""Who takes the processors: CPU time of desktops, of Frazil's processes, of libvirt and of the kernel's merging."""

from __future__ import annotations

import os
from pathlib import Path

from figures import cpu_s

ROLES = ("controller", "server", "gateway")
COMMANDS = {"libvirtd": "libvirtd", "ksmd": "ksmd"}


def spent_s() -> dict[str, float]:
    """CPU seconds of each part so far; `all` is the whole machine, whatever else runs on it included."""
    found = dict.fromkeys(("desktops", *ROLES, *COMMANDS.values()), 0.0)
    for place in Path("/proc").glob("[0-9]*"):
        part = _part(place)
        if part is not None:
            found[part] += _cpu_s(place)
    return {**found, "all": _machine_s()}


def since(before: dict[str, float], *, wall_s: float) -> dict[str, float]:
    """Processors that each part kept busy since `before`, which was so many seconds ago."""
    return {part: round((now - before[part]) / wall_s, 2) for part, now in spent_s().items()}


def _part(place: Path) -> str | None:
    try:
        name = (place / "comm").read_text().strip()
        words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None  # it has ended
    if name.startswith("qemu-system"):
        return "desktops"
    if name in COMMANDS:
        return COMMANDS[name]
    frazil = any(word == "frazil.cli.main" or word.endswith("/frazil") for word in words[:3])
    return next((role for role in ROLES if frazil and role in words), None)


def _cpu_s(place: Path) -> float:
    try:
        return cpu_s(int(place.name))
    except (OSError, IndexError):
        return 0.0


def _machine_s() -> float:
    """Busy time of all processors: the first line of /proc/stat without idle and iowait (proc(5))."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
