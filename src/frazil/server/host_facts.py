"""What this host is and how much room it has."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from frazil.wire.hostlink import HostLoad


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
        disk_free_mib=shutil.disk_usage(directory).free >> 20,
        load1=os.getloadavg()[0],
    )


def boot_id() -> str:
    """Another one after each boot of this host (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def host_name() -> str:
    """The machine's name."""
    return socket.gethostname()
