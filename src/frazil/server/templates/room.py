"""Room for templates: which of them go when the disk runs short. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from frazil.server.templates.store import Template

FLOOR_MIB = 1024
"""So much of the disk stays free, unless a setting says otherwise."""
QUIET_S = 3600.0
"""A template that a pool wants is left alone for so long after its last fork: two that do not fit beside each other
would else take turns in driving each other out."""
DISK_ALLOWANCE_BYTES = 256 << 20
"""What a template's disk and device state take besides its memory: what a boot writes, with some to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A template on the disk. last_used_s: seconds since 1970. wanted: by a pool. busy: a desktop is made of it."""

    template: Template
    size_bytes: int
    last_used_s: float
    wanted: bool
    busy: bool


def to_go(held: Iterable[Held], *, short_bytes: int, now_s: float) -> list[Held]:
    """Which ones to remove so that `short_bytes` more are free: those that no pool wants first, least used first.

    One that a desktop is made of never goes. Fewer than needed when there are no more; none when nothing is short.
    """
    going: list[Held] = []
    may_go = [one for one in held if not one.busy and (not one.wanted or now_s - one.last_used_s >= QUIET_S)]
    for one in sorted(may_go, key=lambda one: (one.wanted, one.last_used_s)):
        if sum(gone.size_bytes for gone in going) >= short_bytes:
            break
        going.append(one)
    return going


def needed_bytes(memory_mib: int) -> int:
    """What a template takes on the disk at most while it is made, all of its memory written."""
    return (memory_mib << 20) + DISK_ALLOWANCE_BYTES
