"""One memory cgroup for all of this host's desktops.

libvirt gives each QEMU a cgroup of its own below a *partition*, by default `/machine` together with everybody else's.
Ours is `/machine/frazil`: in it, what desktops take can be read and bounded as one. libvirt does not make a partition
(https://libvirt.org/cgroups.html): with systemd it is a slice that systemd makes by itself; without, directories.

The bound is a soft one: `memory.high` (cgroup v2) slows desktops down and reclaims from them, and
`memory.soft_limit_in_bytes` (v1) has them reclaimed from first. A hard one would have the kernel kill a desktop.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

ROOT = Path("/sys/fs/cgroup")
PARTITION = "/machine/frazil"
SYSTEMD = Path("/run/systemd/system")
_V1 = (
    "memory",
    "cpu",
    "cpuacct",
    "cpu,cpuacct",
    "cpuset",
    "blkio",
    "freezer",
    "devices",
    "net_cls",
    "perf_event",
    "unified",
)
_CPUSET = ("cpuset.cpus", "cpuset.mems")
"""Empty in a new v1 cpuset, and no process may enter it so."""


def prepare(root: Path = ROOT, *, systemd: bool | None = None) -> str | None:
    """Make the partition. Its name for a domain's XML; None when this host can't have one, which harms nothing."""
    if SYSTEMD.exists() if systemd is None else systemd:
        return PARTITION
    try:
        for parent in _parents(root):
            place = parent / "frazil.partition"
            place.mkdir(exist_ok=True)
            for name in _CPUSET:
                file = place / name
                if file.exists() and not file.read_text(encoding="ascii").strip():
                    file.write_text((parent / name).read_text(encoding="ascii"), encoding="ascii")
    except OSError as exc:
        log.warning("no-memory-cgroup", why=str(exc), means="Desktops share the default one.")
        return None
    return PARTITION if memory(root) is not None else None


def _parents(root: Path) -> Iterable[Path]:
    """libvirt's `/machine` in each hierarchy that it uses; made where libvirt has not yet."""
    if (root / "cgroup.controllers").exists():
        hierarchies = [root]
    else:
        hierarchies = [root / name for name in _V1 if (root / name).is_dir() and not (root / name).is_symlink()]
    for hierarchy in hierarchies:
        machine = hierarchy / "machine"
        # A hierarchy that libvirt does not use has no such directory, and needs no partition of ours.
        if machine.is_dir():
            yield machine


def memory(root: Path = ROOT) -> Path | None:
    """The partition's memory cgroup; None while there is none."""
    for place in (
        root / "machine.slice" / "machine-frazil.slice",
        root / "machine" / "frazil.partition",
        root / "memory" / "machine.slice" / "machine-frazil.slice",
        root / "memory" / "machine" / "frazil.partition",
    ):
        if (place / "memory.high").exists() or (place / "memory.soft_limit_in_bytes").exists():
            return place
    return None


def bound(mib: int, root: Path = ROOT) -> bool:
    """Have the kernel hold desktops to `mib` without killing any. Whether it could be said to the kernel."""
    place = memory(root)
    if place is None:
        return False
    name = "memory.high" if (place / "memory.high").exists() else "memory.soft_limit_in_bytes"
    try:
        (place / name).write_text(f"{mib << 20}\n", encoding="ascii")
    except OSError as exc:
        log.warning("memory-not-bounded", cgroup=str(place), why=str(exc))
        return False
    return True
