"""Which host a desktop goes to: filters say which hosts can take it, scores which of them does.

A host says what it has left for desktops and what one more fork of each kind costs, as it measured; a desktop that
boots is reckoned at all of its memory. What a host has not taken into account yet is promised here, so that no room
is given twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from frazil.controller.planning.facts import ANYWHERE, DesktopFacts, HostFacts, ImageFacts, Where
from frazil.controller.planning.refusals import Lack, Refusal, Why, grouped, in_a_sentence
from frazil.controller.planning.scores import Apart, Score, score
from frazil.model.desktop import Power, State
from frazil.model.room import QEMU_OWN_MIB, Bound, Cost, Room, fit

HOST_RESERVE_MIB = 256
"""Left to a host that has not reckoned its room: QEMU's own memory beside the guest's, page tables, its processes."""
MANY = 1 << 30

_BOUNDS: dict[Bound, Why] = {
    "memory": Why.MEMORY,
    "limit": Why.LIMIT,
    "disk": Why.DISK,
    "processors": Why.PROCESSORS,
    "pressure": Why.PRESSURE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a desktop asks of a host. `fork_kind`: of the template that it is forked from; None when it boots."""

    pool_id: str
    image_id: str
    memory_mib: int
    fork_kind: str | None = None
    where: Where = ANYWHERE


@dataclass(frozen=True, slots=True)
class Chosen:
    """A host, its score when it was chosen, and how many of `of_hosts` hosts could take the desktop.

    apart: why it is in its place, where the pool is kept apart; the score is then the most of that place.
    """

    host_id: str
    score: Score
    able: int
    of_hosts: int
    apart: Apart | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The host that was chosen; or None, the `reason` in words, and why not, by hosts."""

    chosen: Chosen | None
    reason: str = ""
    refusals: tuple[Refusal, ...] = ()


@dataclass(slots=True)
class _Ranking:
    """The hosts that can take one more desktop of one need, with their points; the best of a place on its heap's top.

    What stands on a heap with other points than in `points` is old. `seen`: how many promises are in them.
    """

    points: dict[str, float] = field(default_factory=dict)
    heaps: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    seen: int = 0

    def put(self, host_id: str, place: str, points: float | None) -> None:
        """None: it can't take one any more."""
        if points is None:
            self.points.pop(host_id, None)
        else:
            self.points[host_id] = points
            heappush(self.heaps.setdefault(place, []), (-points, host_id))

    def best(self, there: Mapping[str, int]) -> str | None:
        """Of the place with the fewest `there`, where any host can: the host with the most points, by id of equals."""
        tops = [(there.get(place, 0), *heap[0]) for place, heap in self.heaps.items() if self._look_at(heap)]
        return min(tops)[2] if tops else None

    def _look_at(self, heap: list[tuple[float, str]]) -> bool:
        """Drop what is old from the heap's top; whether anything is left."""
        while heap and self.points.get(heap[0][1]) != -heap[0][0]:
            heappop(heap)
        return bool(heap)


class Rooms:
    """What is left on each host during one run of planning.

    Every host is looked at once for each need; after that only those are whose room was promised since, so that many
    desktops cost little more than one.
    """

    def __init__(
        self,
        hosts: Collection[HostFacts],
        desktops: Collection[DesktopFacts],
        images: Collection[ImageFacts],
        *,
        leaving: Collection[str] = frozenset(),
    ) -> None:
        """leaving: ids of desktops that are to be replaced elsewhere: they keep no others away."""
        self._hosts = {host.id: host for host in hosts}
        self._images = {image.id: image for image in images}
        self._left = {host.id: room for host in hosts if (room := _room(host)) is not None}
        self._together: Counter[tuple[str, str]] = Counter()
        """How many desktops of a pool are on a host."""
        self._places: dict[tuple[str, str], Counter[str]] = {}
        """How many of a pool are in each place, by the pool and the label that it is kept apart by."""
        self._promised: list[str] = []
        """Hosts in the order in which their room was promised."""
        self._rankings: dict[Need, _Ranking] = {}
        self._refused: dict[Need, Choice] = {}
        for desktop in desktops:
            host = self._hosts.get(desktop.host_id) if desktop.host_id is not None else None
            if host is None or desktop.wanted.power is Power.ABSENT or desktop.wanted.failure is not None:
                continue
            if desktop.id not in leaving:
                self._together[desktop.pool_id, host.id] += 1
            if _still_to_come(desktop, host):
                self._take(host, _cost(host, desktop.fork_kind, desktop.memory_mib))
        up = [id for id, host in self._hosts.items() if host.up and id in self._left]
        self._roomiest_mib = max((self._left[id].memory_mib for id in up), default=0)

    def choose(self, need: Need) -> Choice:
        """The host with the most points of those that can take it; its room is promised."""
        if need in self._refused:
            return self._refused[need]  # room only gets less in one run
        ranking = self._ranking(need)
        there = self._in_places(need)
        host_id = ranking.best(there)
        if host_id is None:
            self._refused[need] = refused = self._why_none(need)
            return refused
        host = self._hosts[host_id]
        place = need.where.place(host)
        apart = Apart(need.where.apart_by, place, there[place]) if need.where.apart_by else None
        chosen = Chosen(host_id, self._score(host, need), len(ranking.points), len(self._hosts), apart)
        there[place] += 1
        self._take(host, _cost(host, need.fork_kind, need.memory_mib))
        self._together[need.pool_id, host_id] += 1
        self._promised.append(host_id)
        return Choice(chosen)

    def _in_places(self, need: Need) -> Counter[str]:
        """How many of the need's pool are in each place."""
        key = need.pool_id, need.where.apart_by
        there = self._places.get(key)
        if there is None:
            there = self._places[key] = Counter()
            for (pool_id, host_id), together in self._together.items() if need.where.apart_by else ():
                if pool_id == need.pool_id:
                    there[need.where.place(self._hosts[host_id])] += together
        return there

    def _take(self, host: HostFacts, cost: Cost) -> None:
        if host.id in self._left:
            self._left[host.id] = self._left[host.id].less(cost)

    def _ranking(self, need: Need) -> _Ranking:
        """The ranking for this need, with all that was promised since it was last asked for."""
        ranking = self._rankings.get(need)
        if ranking is None:
            ranking = self._rankings[need] = _Ranking()
            changed: Collection[str] = self._hosts
        else:
            changed = set(self._promised[ranking.seen :])
        for host_id in changed:
            host = self._hosts[host_id]
            able = self._lack(host, need) is None
            ranking.put(host_id, need.where.place(host), self._score(host, need).total if able else None)
        ranking.seen = len(self._promised)
        return ranking

    def _lack(self, host: HostFacts, need: Need) -> Lack | None:
        """What keeps the host from taking the desktop: the first filter that it does not pass."""
        if not need.where.takes(host):
            return Lack(host, Why.LABELS, asked=need.where.labels)
        if host.maintenance:
            return Lack(host, Why.MAINTENANCE)
        if not host.up or host.silent:
            return Lack(host, Why.NOT_CONNECTED)
        if need.image_id not in host.images_ready:
            image = self._images.get(need.image_id)
            state, _ = image.on_hosts.get(host.id, ("", None)) if image is not None else ("", None)
            return Lack(host, Why.IMAGE_FAILED if state == "failed" else Why.NO_IMAGE)
        left = self._left.get(host.id)
        if left is None:
            return Lack(host, Why.UNMEASURED)
        cost = _cost(host, need.fork_kind, need.memory_mib)
        found = fit(left, cost)
        return None if found.more > 0 else Lack(host, _BOUNDS[found.bound], left, cost)

    def _score(self, host: HostFacts, need: Need) -> Score:
        cost = _cost(host, need.fork_kind, need.memory_mib)
        return score(
            has_template=None if need.fork_kind is None else need.fork_kind in host.fork_costs,
            left_mib=self._left[host.id].memory_mib - cost.memory_mib,
            roomiest_mib=self._roomiest_mib,
            busy=host.busy,
            together=self._together[need.pool_id, host.id],
            pack=need.where.pack,
        )

    def _why_none(self, need: Need) -> Choice:
        lacks = [lack for host in self._hosts.values() if (lack := self._lack(host, need)) is not None]
        refusals = grouped(lacks)
        image = self._images.get(need.image_id)
        name = image.name if image is not None else need.image_id
        return Choice(None, in_a_sentence(refusals, image_name=name), refusals)


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
    """Whether a desktop that was placed on the host will take room that the host has not taken into account."""
    if host.room is not None:
        return desktop.wanted.power is not Power.STOPPED and desktop.id not in host.counted
    seen = desktop.fresh_seen
    return seen is None or seen.state not in (State.RUNNING, State.PAUSED)
