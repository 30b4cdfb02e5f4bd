"""Which hosts are there: heard from in the last seconds. In memory; a restart begins with a grace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from frazil.model.clock import Clock
from frazil.wire.hostlink import HostLoad, Stray, TemplateObservation

SILENT_AFTER_S = 15.0
"""Heartbeats come every 5 s; three missed ones make a host silent."""
LOST_AFTER_S = 60.0
"""A host that is silent for so long is not expected back soon: its spares are made elsewhere."""


@dataclass(frozen=True, slots=True)
class PresenceView:
    """One moment of it, for use in a thread. A host that is not named has not been heard since the start."""

    up: frozenset[str]
    silent: frozenset[str]
    in_grace: bool
    loads: dict[str, HostLoad]
    templates: dict[str, tuple[TemplateObservation, ...]] = field(default_factory=dict)
    """By host: the frozen templates that it said it has, or is making."""
    strays: dict[str, tuple[Stray, ...]] = field(default_factory=dict)
    """By host: what it has that nobody wants there, as it told last."""
    lost: frozenset[str] = frozenset()
    """Hosts that have been silent for `LOST_AFTER_S`."""
    began_long_ago: bool = False
    """Whether this process is so old that a host it never heard from is lost."""
    known: frozenset[str] = frozenset()
    """Hosts that have told all that they see since this process began, and it was taken in."""

    def is_silent(self, host_id: str) -> bool:
        if host_id in self.up:
            return False
        return host_id in self.silent or not self.in_grace

    def is_lost(self, host_id: str) -> bool:
        return host_id in self.lost or (self.began_long_ago and host_id not in self.up | self.silent)


class Presence:
    """Used from the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._heard_s: dict[str, float] = {}
        self._loads: dict[str, HostLoad] = {}
        self._unflushed: set[str] = set()
        self._templates: dict[str, tuple[TemplateObservation, ...]] = {}
        self._strays: dict[str, tuple[Stray, ...]] = {}
        self._known: set[str] = set()

    def heard(self, host_id: str, load: HostLoad | None = None) -> bool:
        """A message came from the host. Whether it was not up before."""
        was_up = self._is_up(host_id)
        self._heard_s[host_id] = self._clock.monotonic_s()
        if load is not None:
            self._loads[host_id] = load
        self._unflushed.add(host_id)
        return not was_up

    def _is_up(self, host_id: str) -> bool:
        heard = self._heard_s.get(host_id)
        return heard is not None and self._clock.monotonic_s() - heard <= SILENT_AFTER_S

    def view(self) -> PresenceView:
        since_s = self._clock.monotonic_s() - SILENT_AFTER_S
        up = frozenset(host_id for host_id, heard_s in self._heard_s.items() if heard_s >= since_s)
        in_grace = self._started_s >= since_s
        lost_since_s = since_s + SILENT_AFTER_S - LOST_AFTER_S
        return PresenceView(
            up,
            frozenset(self._heard_s) - up,
            in_grace,
            dict(self._loads),
            dict(self._templates),
            dict(self._strays),
            lost=frozenset(host_id for host_id, heard_s in self._heard_s.items() if heard_s < lost_since_s),
            began_long_ago=self._started_s < lost_since_s,
            known=frozenset(self._known),
        )

    def took_in(self, host_id: str) -> bool:
        """All that the host sees was written down; whether that is the first time."""
        first = host_id not in self._known
        self._known.add(host_id)
        return first

    def forget(self, host_id: str) -> None:
        """It is no host of this installation any more; if it comes back it is a new one."""
        for known in (self._heard_s, self._loads, self._templates, self._strays):
            known.pop(host_id, None)
        self._unflushed.discard(host_id)
        self._known.discard(host_id)

    def saw_templates(self, host_id: str, templates: Iterable[TemplateObservation]) -> None:
        """The host named all its templates."""
        self._templates[host_id] = tuple(templates)

    def saw_strays(self, host_id: str, strays: Iterable[Stray]) -> None:
        """The host named all that it has and nobody wants there."""
        self._strays[host_id] = tuple(strays)

    def saw_template(self, host_id: str, template: TemplateObservation) -> None:
        """The host told of one of its templates."""
        others = tuple(
            other
            for other in self._templates.get(host_id, ())
            if (other.image_id, other.profile) != (template.image_id, template.profile)
        )
        self._templates[host_id] = (*others, template)

    def next_silence_s(self) -> float | None:
        """In how many seconds the next host becomes silent, or the grace after the start ends, if nothing is heard."""
        now = self._clock.monotonic_s()
        ends = [heard + SILENT_AFTER_S for heard in self._heard_s.values()] + [self._started_s + SILENT_AFTER_S]
        future = [end - now for end in ends if end >= now]
        return min(future) + 0.05 if future else None

    def take_unflushed(self) -> dict[str, HostLoad | None]:
        """Hosts heard since the last call, with their load; the caller writes them to the store."""
        taken = {host_id: self._loads.get(host_id) for host_id in self._unflushed}
        self._unflushed.clear()
        return taken
