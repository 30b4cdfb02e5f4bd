"""Which host a desktop goes to.

A host says what it has left for desktops and what one more fork of each kind costs, as it measured; a desktop that
boots is reckoned at all of its memory. What a host has not taken into account yet is promised here, so that no room
is given twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from frazil.controller.planning.facts import DesktopFacts, HostFacts
from frazil.model.desktop import Power, State
from frazil.model.room import QEMU_OWN_MIB, Cost, Room, fit

HOST_RESERVE_MIB = 256
"""Left to a host that has not reckoned its room: QEMU's own memory beside the guest's, page tables, its processes."""
MANY = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a desktop asks of a host. `fork_kind`: of the template that it is forked from; None when it boots."""

    image_id: str
    image_name: str
    memory_mib: int
    fork_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """`host_id`, or None and the `reason` in words."""

    host_id: str | None
    reason: str = ""


class Rooms:
    """What is left on each host during one run of planning."""

    def __init__(self, hosts: Collection[HostFacts], desktops: Collection[DesktopFacts]) -> None:
        self._hosts = hosts
        self._left = {host.id: room for host in hosts if (room := _room(host)) is not None}
        by_id = {host.id: host for host in hosts}
        for desktop in desktops:
            host = by_id.get(desktop.host_id) if desktop.host_id is not None else None
            if host is not None and _still_to_come(desktop, host):
                self._promise(host, _cost(host, desktop.fork_kind, desktop.memory_mib))

    def _promise(self, host: HostFacts, cost: Cost) -> None:
        if host.id in self._left:
            self._left[host.id] = self._left[host.id].less(cost)

    def choose(self, need: Need) -> Choice:
        """The host that is up, has the image ready, and has room for the most of them; its room is promised."""
        if not self._hosts:
            return Choice(None, "No host has ever connected to this controller.")
        up = [host for host in self._hosts if host.up and not host.silent]
        if not up:
            return Choice(None, "No host is connected now; its server may be starting or stopped.")
        with_image = [host for host in up if need.image_id in host.images_ready]
        if not with_image:
            return Choice(None, f"The image {need.image_name} is not ready on any connected host yet.")
        known = [host for host in with_image if host.id in self._left]
        if not known:
            return Choice(None, "The connected hosts have not said yet how much memory they have left.")
        free = [host for host in known if not self._left[host.id].pressed]
        if not free:
            return Choice(None, known[0].pressure or "The hosts are short of memory.")
        # Most memory after this one: a host that forks it comes before one that would have to boot it.
        _, host = max(
            ((self._left[host.id].less(self._cost_of(host, need)).memory_mib, host) for host in free),
            key=lambda pair: (self._fits(pair[1], need), pair[0], pair[1].id),
        )
        if not self._fits(host, need):
            return Choice(None, self._why(host, need))
        self._promise(host, self._cost_of(host, need))
        return Choice(host.id)

    def _fits(self, host: HostFacts, need: Need) -> bool:
        return fit(self._left[host.id], self._cost_of(host, need)).more > 0

    def _cost_of(self, host: HostFacts, need: Need) -> Cost:
        return _cost(host, need.fork_kind, need.memory_mib)

    def _why(self, host: HostFacts, need: Need) -> str:
        """What the roomiest host lacks."""
        left, cost = self._left[host.id], self._cost_of(host, need)
        match fit(left, cost).bound:
            case "disk":
                return (
                    f"No host has enough disk left: {cost.disk_mib} MiB are needed, "
                    f"the roomiest has {max(left.disk_mib, 0)} MiB."
                )
            case "processors":
                return "No host can take another desktop: each has as many as its processors are reckoned to bear."
            case "limit":
                return (
                    f"The memory set aside for desktops is used: {cost.memory_mib} MiB are needed, "
                    f"{max(left.memory_mib, 0)} MiB are left."
                )
            case _:
                return (
                    f"No host has enough memory left: {cost.memory_mib} MiB are needed, "
                    f"the roomiest has {max(left.memory_mib, 0)} MiB."
                )


def _room(host: HostFacts) -> Room | None:
    """What the host says; of one that does not reckon, what its free memory says."""
    if host.room is not None:
        return host.room
    if host.memory_available_mib is None:
        return None
    return Room(memory_mib=host.memory_available_mib, disk_mib=MANY, desktops=MANY)


def _cost(host: HostFacts, fork_kind: str | None, memory_mib: int) -> Cost:
    if host.room is None:
        return Cost(memory_mib=memory_mib + HOST_RESERVE_MIB)
    known = host.fork_costs.get(fork_kind) if fork_kind is not None else None
    return known or Cost(memory_mib=memory_mib + QEMU_OWN_MIB)


def _still_to_come(desktop: DesktopFacts, host: HostFacts) -> bool:
    """Whether a desktop was placed on the host and will take room that the host has not taken into account."""
    if desktop.wanted.power is Power.ABSENT or desktop.wanted.failure is not None:
        return False
    if host.room is not None:
        return desktop.wanted.power is not Power.STOPPED and desktop.id not in host.counted
    seen = desktop.fresh_seen
    return seen is None or seen.state not in (State.RUNNING, State.PAUSED)
