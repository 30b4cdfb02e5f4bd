"""How many more desktops fit. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from frazil.model import labels
from frazil.model.room import Bound
from frazil.wire.rest import Host, Pool

Limit = Literal["pool", "hosts", "labels"] | Bound

DISK_PER_DESKTOP_MIB = 2048
"""What a desktop's overlay is reckoned at on a host that does not measure."""


@dataclass(frozen=True, slots=True)
class Room:
    """`more` desktops of `pool` fit beside what runs now; `limit` is what ends first.

    hosts: none is up. labels: none that is has those that the pool asks for.
    each_mib: what one is reckoned to take of the hosts' memory; 0 where that was not measured.
    """

    pool: Pool
    more: int
    limit: Limit
    each_mib: int = 0


def room(pool: Pool, hosts: Sequence[Host]) -> Room:
    """How many more desktops of `pool` fit on `hosts`, each pool reckoned as if it grew alone."""
    up = [host for host in hosts if host.state == "up" and host.load is not None and host.maintenance is None]
    by_pool = max(0, pool.max_desktops - pool.counts.total)
    if not up:
        return Room(pool, 0, "hosts")
    up = [host for host in up if labels.has(host.labels, pool.host_labels)]
    if not up:
        return Room(pool, 0, "labels")
    by_hosts = 0
    each_mib = 0
    bounds: Counter[Bound] = Counter()
    for host in up:
        more, bound, cost_mib = _on(host, pool)
        by_hosts += more
        each_mib = max(each_mib, cost_mib)
        bounds[bound] += more + 1
    if by_pool <= by_hosts:
        return Room(pool, by_pool, "pool", each_mib)
    return Room(pool, by_hosts, bounds.most_common(1)[0][0], each_mib)


def _on(host: Host, pool: Pool) -> tuple[int, Bound, int]:
    """How many fit on one host, what ends there first, and what one takes of its memory in MiB (0: not measured)."""
    for said in host.room:
        if said.pool_id == pool.id:
            return said.more, said.bound, said.memory_mib
    assert host.load is not None
    by_memory = max(0, host.load.memory_available_mib) // pool.profile.memory_mib
    by_disk = max(0, host.load.disk_free_mib) // DISK_PER_DESKTOP_MIB
    return (by_memory, "memory", 0) if by_memory <= by_disk else (by_disk, "disk", 0)
