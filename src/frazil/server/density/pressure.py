"""Whether this host is short of memory. Pure but for `read`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from frazil.server.host_facts import meminfo_mib

PSI = Path("/proc/pressure/memory")
STALLED_FROM = 10.0
STALLED_UNTIL = 3.0
"""Per cent of the last ten seconds in which every task waited for memory at once (PSI's "full"): from where it counts
as short, and until where it goes on to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One look. `stalled`: PSI's `full avg10` in per cent; None where the kernel does not say."""

    total_mib: int
    available_mib: int
    stalled: float | None


def reserve_mib(total_mib: int) -> int:
    """What is kept for the host itself: a sixteenth, at least 512 MiB."""
    return max(512, total_mib // 16)


def judge(memory: Memory, *, before: bool) -> str:
    """Why nothing more should be started now, in words; empty when it may. `before`: it was short a look ago.

    It is short when half of the host's reserve is gone, and no more when three quarters are there again.
    """
    reserve = reserve_mib(memory.total_mib)
    least = reserve * 3 // 4 if before else reserve // 2
    if memory.available_mib < least:
        return (
            f"This host is short of memory: {memory.available_mib} MiB are left, and nothing is started "
            f"below {least} MiB. The desktops that run go on."
        )
    if memory.stalled is not None and memory.stalled >= (STALLED_UNTIL if before else STALLED_FROM):
        return (
            f"This host is short of memory: its programs waited for memory in {memory.stalled:.0f} of 100 seconds. "
            "The desktops that run go on."
        )
    return ""


def stalled(text: str) -> float | None:
    """`full avg10` of a PSI file (Documentation/accounting/psi.rst); None when it is not there."""
    for line in text.splitlines():
        kind, *pairs = line.split()
        if kind == "full":
            values = dict(pair.split("=", 1) for pair in pairs)
            return float(values["avg10"])
    return None


def read() -> Memory:
    """The host's memory now. Some kernels have no PSI, or leave it at zero: what is available decides then."""
    try:
        waited = stalled(PSI.read_text(encoding="ascii"))
    except OSError:
        waited = None
    return Memory(total_mib=meminfo_mib("MemTotal"), available_mib=meminfo_mib("MemAvailable"), stalled=waited)
