"""What this host is and how much room it has."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import structlog

from frazil.wire.hostlink import HostLoad

log = structlog.get_logger(__name__)


def meminfo_mib(key: str) -> int:
    """A line of /proc/meminfo in MiB (proc(5))."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) >> 10
    raise KeyError(key)


def load(directory: Path) -> HostLoad:
    """Headroom now; `directory` is where desktops' disks are."""
    return HostLoad(
        memory_available_mib=meminfo_mib("MemAvailable"),
        disk_free_mib=free_bytes(directory) >> 20,
        load1=os.getloadavg()[0],
    )


def free_bytes(directory: Path) -> int:
    """What is free of the disk below; nothing where it can't be asked, so that nothing more is put there."""
    try:
        return shutil.disk_usage(directory).free
    except OSError as exc:
        log.warning("disk-not-asked", directory=str(directory), why=str(exc))
        return 0


def file_identity(program: str) -> str:
    """Tells one file of an installed program from the next, which may have the same version; empty where none is."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        found = Path(path).stat()
    except OSError:
        return ""  # it goes just now
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"


def boot_id() -> str:
    """Another one after each boot of this host (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def host_name() -> str:
    """The machine's name."""
    return socket.gethostname()
