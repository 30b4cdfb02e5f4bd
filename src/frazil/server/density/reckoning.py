"""How much room a host has left for desktops. Pure.

Two bounds are kept at once. What desktops and templates take, and will take once each desktop has grown to what its
kind is known to cost, must stay within the memory that is set aside for them. And what the kernel says is available
must bear the same growth, with the templates' page cache, which the kernel counts as available, left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frazil.model.room import Cost, Room, fit
from frazil.server.density.pressure import reserve_mib
from frazil.wire.hostlink import Headroom, KindFits, Profile, Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A desktop that is wanted here: what it takes now (0: not seen yet) and is reckoned to take in the end, in MiB."""

    desktop_id: str
    memory_mib: int
    memory_in_the_end_mib: int
    disk_mib: int
    disk_in_the_end_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of which more may be wanted here."""

    image_id: str
    profile: Profile
    start: Start
    cost: Cost
    measured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the reckoning depends on besides desktops. MiB.

    for_desktops_mib: what the administrator sets aside for desktops; 0: all but the reserve. others_mib: what QEMUs of
    ours take that are on their way out, or that nobody wants here. disk_free_mib: what may still be written.
    """

    total_mib: int
    available_mib: int
    for_desktops_mib: int
    templates_mib: int
    others_mib: int
    disk_free_mib: int
    desktops_max: int
    pressure: str = ""


def reckon(host: Host, here: Sequence[Here], kinds: Sequence[Kind], *, merged_mib: int, merging: str) -> Headroom:
    """The host's headroom, and how many more of each kind fit."""
    reserve = reserve_mib(host.total_mib)
    used = host.templates_mib + host.others_mib + sum(one.memory_mib for one in here)
    growth = sum(max(0, one.memory_in_the_end_mib - one.memory_mib) for one in here)
    disk_growth = sum(max(0, one.disk_in_the_end_mib - one.disk_mib) for one in here)
    budget = host.for_desktops_mib or host.total_mib - reserve
    by_budget = budget - used - growth
    by_available = host.available_mib - reserve - host.templates_mib - growth
    room = Room(
        memory_mib=max(0, min(by_budget, by_available)),
        disk_mib=max(0, host.disk_free_mib - disk_growth),
        desktops=max(0, host.desktops_max - len(here)),
        memory_bound="limit" if host.for_desktops_mib and by_budget <= by_available else "memory",
        pressed=bool(host.pressure),
    )
    return Headroom(
        memory_mib=room.memory_mib,
        memory_bound=room.memory_bound,
        disk_mib=room.disk_mib,
        desktops=room.desktops,
        pressure=host.pressure,
        used_mib=used,
        merged_mib=merged_mib,
        merging=merging,
        counted=[one.desktop_id for one in here],
        kinds=[_fits(room, kind) for kind in kinds],
    )


def _fits(room: Room, kind: Kind) -> KindFits:
    fits = fit(room, kind.cost)
    return KindFits(
        image_id=kind.image_id,
        profile=kind.profile,
        start=kind.start,
        memory_mib=kind.cost.memory_mib,
        disk_mib=kind.cost.disk_mib,
        measured=kind.measured,
        more=fits.more,
        bound=fits.bound,
    )
