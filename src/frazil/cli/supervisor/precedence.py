"""Gateway and controller go before desktops (docs/adr/0129): they need little, and everybody waits for it."""

from __future__ import annotations

import os
from pathlib import Path

NICE = -10
"""Nine times an ordinary process's share (sched(7)); CPUWeight of `frazil.slice` comes to about the same."""


def give(pid: int) -> None:
    """Let a process that has just begun, in a session of its own, go before others where this host allows it.

    Processes that run under no cgroup of their own compare by their sessions' nice values where the kernel has
    autogroups (sched(7)), and else by their own. Raises OSError where it is not allowed.
    """
    os.setpriority(os.PRIO_PROCESS, pid, NICE)
    autogroup = Path(f"/proc/{pid}/autogroup")
    if autogroup.exists():
        autogroup.write_text(str(NICE), encoding="ascii")
