"""How many more desktops a pool needs now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from frazil.controller.planning.facts import DesktopFacts, PoolFacts
from frazil.model.desktop import Phase, Power, Wanted

GIVE_UP_AFTER = 3
"""So many spares that failed one after the other stop a pool until a person does something."""
BACK_OFF = timedelta(seconds=10)
"""Wait after the first failed spare; doubled with each further one."""
FAILED_KEPT = 5
"""So many failed spares are kept to be looked at; older ones are removed, so that they do not fill the pool."""

_GOOD = frozenset({Phase.WAITING, Phase.STARTING, Phase.READY, Phase.PAUSED, Phase.UNKNOWN})
_KEPT = (Power.RUNNING, Power.PAUSED)
_STARTED = frozenset({Phase.READY, Phase.PAUSED})


class Tried(Protocol):
    """What is to be known of a desktop to judge whether its pool's desktops start."""

    @property
    def id(self) -> str: ...
    @property
    def wanted(self) -> Wanted: ...
    @property
    def assigned(self) -> bool: ...
    @property
    def failed_at(self) -> datetime | None: ...
    @property
    def created_at(self) -> datetime: ...


_T = TypeVar("_T", bound=Tried)


@dataclass(frozen=True, slots=True)
class Need:
    """`make` so many, want `surplus` (ids) gone; `note` says in words why not more; look again after `due`.

    left: ids of those that are leaving and not needed any more. instead: of those that are, in a full pool: one goes
    for each that has a place elsewhere, which is made next.
    """

    make: int
    surplus: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    note: str = ""
    due: datetime | None = None


def need(
    pool: PoolFacts,
    desktops: Sequence[tuple[DesktopFacts, Phase]],
    *,
    leaving: Collection[str] = frozenset(),
    lost: Collection[str] = frozenset(),
    now: datetime,
) -> Need:
    """What the pool needs to have its spares. `desktops`: all of the pool's, with their phases; `leaving`: ids of those
    that are nobody's, on hosts in maintenance or without the pool's labels; `lost`: of those on hosts that are not
    expected back soon, which no more count, and go when they are back and there are too many."""
    if pool.deleting:
        return Need(0)
    free = [(desktop, phase) for desktop, phase in desktops if not desktop.assigned and desktop.kept_until is None]
    kept = [(desktop, phase) for desktop, phase in free if desktop.wanted.power is not Power.ABSENT]
    wanted = [(desktop, phase) for desktop, phase in kept if desktop.id not in leaving]
    there = [(desktop, phase) for desktop, phase in wanted if desktop.id not in lost]
    good = [desktop for desktop, phase in there if phase in _GOOD and desktop.wanted.power in _KEPT]
    surplus = _surplus(pool, wanted)
    ready = sum(phase in _STARTED for _, phase in wanted)
    left, stand_ins = _leaving([pair for pair in kept if pair[0].id in leaving], most=max(0, pool.spares - ready))
    missing = pool.spares - len(good)
    if missing <= 0:
        return Need(0, surplus, left)
    failures = failed_in_a_row(desktops, changed_at=pool.changed_at, last_start_at=pool.last_start_at, now=now)
    if len(failures) >= GIVE_UP_AFTER:
        newest = failures[0]
        reason = newest.wanted.failure.text if newest.wanted.failure is not None else ""
        return Need(
            0,
            surplus,
            left,
            note=f"The newest {len(failures)} spare desktops failed one after the other, so no more are made. "
            f"The last one, {newest.name}, said: {reason} "
            "Retry or delete a failed desktop, or change the pool, and it goes on.",
        )
    if failures:
        last = max(desktop.failed_at or desktop.created_at for desktop in failures)
        due = last + BACK_OFF * 2 ** (len(failures) - 1)
        if due > now:
            seconds = max(1, round((due - now).total_seconds()))
            return Need(0, surplus, left, note=f"A spare desktop failed; the next one is made in {seconds} s.", due=due)
    make = min(missing, max(0, pool.max_desktops - len(desktops)))
    instead = stand_ins[: missing - make]
    full = f"The pool has all of its {pool.max_desktops} desktops: there is no room for spares."
    return Need(make, surplus, left, instead, note="" if make or instead else full)


def _leaving(going: Sequence[tuple[DesktopFacts, Phase]], *, most: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of those that go now, and of the ready ones, at most so many, that stay until others are ready elsewhere."""
    ready = [desktop.id for desktop, phase in going if phase in _STARTED]
    others = [desktop.id for desktop, phase in going if phase not in _STARTED and phase is not Phase.UNKNOWN]
    return (*others, *ready[most:]), tuple(ready[:most])


def _surplus(pool: PoolFacts, wanted: Sequence[tuple[DesktopFacts, Phase]]) -> tuple[str, ...]:
    """Ready spares above the number wanted, newest first, and failed ones above what is kept, oldest first."""
    phases = Counter(phase for _, phase in wanted)
    if sum(phases[one] for one in _STARTED) <= pool.spares and phases[Phase.FAILED] <= FAILED_KEPT:
        return ()
    newest_first = sorted(wanted, key=lambda pair: (pair[0].created_at, pair[0].id), reverse=True)
    ready = [desktop.id for desktop, phase in newest_first if phase in (Phase.READY, Phase.PAUSED)]
    failed = [desktop.id for desktop, phase in newest_first if phase is Phase.FAILED]
    return tuple(ready[: max(0, len(ready) - pool.spares)] + failed[FAILED_KEPT:])


def failed_in_a_row(
    desktops: Sequence[tuple[_T, Phase]], *, changed_at: datetime, last_start_at: datetime | None, now: datetime
) -> list[_T]:
    """A pool's newest desktops that failed with none in between that became ready, newest first.

    A failure from before the pool's last change, or before a desktop of it last became ready, says nothing about the
    pool as it is now. One that was given to someone is theirs, and no verdict on the pool.
    """
    if not any(phase is Phase.FAILED for _, phase in desktops):
        return []
    # What is still to come, since the time of day was set back, forgives nothing.
    since = max((at for at in (changed_at, last_start_at) if at is not None and at <= now), default=None)
    decided = [
        (desktop, phase)
        for desktop, phase in desktops
        if desktop.wanted.power is not Power.ABSENT
        and (
            phase in _STARTED
            or (phase is Phase.FAILED and (since is None or (desktop.failed_at or desktop.created_at) >= since))
        )
    ]
    decided.sort(key=lambda pair: (pair[0].created_at, pair[0].id), reverse=True)
    row: list[_T] = []
    for desktop, phase in decided:
        if phase is not Phase.FAILED:
            break
        if not desktop.assigned:
            row.append(desktop)
    return row
