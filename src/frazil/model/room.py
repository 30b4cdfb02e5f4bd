"""How many more desktops fit, and what ends first. Pure; hosts reckon it, the controller places by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

QEMU_OWN_MIB = 96
"""What QEMU takes beside a booted guest's memory: its own, the display's, the translation cache, page tables."""

Bound = Literal["memory", "limit", "disk", "processors", "pressure"]
"""What ends first: the host's memory, the memory that an administrator gave to desktops, its disk, the number of
desktops that its processors are reckoned to bear, or nothing more now since it is short of memory already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one more desktop is reckoned to take for itself, in MiB."""

    memory_mib: int
    disk_mib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is left to be given out: MiB, and a number of desktops.

    memory_bound: what makes `memory_mib` as small as it is. pressed: nothing is to be started now, whatever is left.
    """

    memory_mib: int
    disk_mib: int
    desktops: int
    memory_bound: Literal["memory", "limit"] = "memory"
    pressed: bool = False

    def less(self, cost: Cost) -> Room:
        """What is left after one desktop of this cost was promised some of it."""
        return replace(
            self,
            memory_mib=self.memory_mib - cost.memory_mib,
            disk_mib=self.disk_mib - cost.disk_mib,
            desktops=self.desktops - 1,
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """So many `more` desktops fit; `bound` is what ends first."""

    more: int
    bound: Bound


def fit(room: Room, cost: Cost) -> Fit:
    """How many desktops of `cost` fit into `room`, if only such are made."""
    if room.pressed:
        return Fit(0, "pressure")
    ends: list[tuple[int, Bound]] = [
        (_times(room.memory_mib, cost.memory_mib), room.memory_bound),
        (max(0, room.desktops), "processors"),
    ]
    if cost.disk_mib > 0:
        ends.append((_times(room.disk_mib, cost.disk_mib), "disk"))
    return Fit(*min(ends, key=lambda end: end[0]))


def _times(left_mib: int, each_mib: int) -> int:
    return max(0, left_mib) // max(1, each_mib)
