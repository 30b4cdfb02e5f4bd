"""What hosts say of their headroom, as values to plan and to show with."""

from __future__ import annotations

from functools import lru_cache

from frazil.model.room import QEMU_OWN_MIB, Cost, Fit, Room, fit
from frazil.wire.hostlink import Headroom, Profile


def room(headroom: Headroom) -> Room:
    """What is left to be given out."""
    return Room(
        memory_mib=headroom.memory_mib,
        disk_mib=headroom.disk_mib,
        desktops=headroom.desktops,
        memory_bound=headroom.memory_bound,
        pressed=bool(headroom.pressure),
    )


@lru_cache(maxsize=4096)
def fork_kind(image_id: str, profile: Profile) -> str:
    """A name for all desktops of this image and hardware, which share a template."""
    return f"{image_id} {profile.model_dump_json()}"


def fork_costs(headroom: Headroom) -> dict[str, Cost]:
    """What one more desktop of each kind that the host has a template for costs, by `fork_kind`."""
    return {
        fork_kind(kind.image_id, kind.profile): Cost(memory_mib=kind.memory_mib, disk_mib=kind.disk_mib)
        for kind in headroom.kinds
        if kind.start == "fork"
    }


def fits(headroom: Headroom, image_id: str, profile: Profile, *, forked: bool) -> tuple[Fit, Cost]:
    """How many more of this image and hardware fit, and what one costs: measured for a fork, nominal for what boots."""
    known = fork_costs(headroom).get(fork_kind(image_id, profile)) if forked else None
    cost = known or Cost(memory_mib=profile.memory_mib + QEMU_OWN_MIB)
    return fit(room(headroom), cost), cost
