"""The one decision function: from one moment of the installation to what is to be done about it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from frazil.controller.planning import images, lifecycle, maintenance, session_rules, spares
from frazil.controller.planning.actions import (
    Action,
    Announce,
    CatchUp,
    EndKept,
    EndSession,
    Fail,
    MakeSpare,
    Pause,
    Place,
    Plan,
    RemoveDesktop,
    RemovePool,
    ShutDown,
    StartAgain,
    WantAbsent,
    WarnSession,
)
from frazil.controller.planning.facts import ANYWHERE, DesktopFacts, Facts, PoolFacts, SessionFacts
from frazil.controller.planning.placement import Chosen, Need, Rooms
from frazil.controller.planning.refusals import Refusal
from frazil.model.desktop import Phase, Power

_LEFT = "Its host is in maintenance, and nobody uses it."
_MISPLACED = "Its pool asks for hosts with other labels, and nobody uses it."


def plan(facts: Facts) -> Plan:
    """What to do now. Carrying it out and planning again ends, if nothing else happens, in an empty plan."""
    return _Planner(facts).plan()


class _Planner:
    """One run: gathers actions and words as it goes over the facts."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._actions: list[Action] = []
        self._waiting: dict[str, str] = {}
        self._refusals: dict[str, tuple[Refusal, ...]] = {}
        self._notes: dict[str, str] = {}
        self._dues: list[datetime] = []
        self._no_place = False
        self._pause_after = {pool.id: pool.pause_after for pool in facts.pools}
        self._where = {pool.id: pool.where for pool in facts.pools}
        closed = any(host.maintenance for host in facts.hosts.values())
        asked = any(pool.where.labels for pool in facts.pools)
        may_leave = facts.desktops if closed or asked else ()  # as a rule none does, and they are many
        self._leaving = {one.id: reason for one in may_leave if (reason := self._why_leaving(one)) is not None}
        self._rooms = Rooms(facts.hosts.values(), facts.desktops, facts.images, leaving=self._leaving)

    def plan(self) -> Plan:
        facts = self._facts
        phases = {desktop.id: desktop.phase(facts.hosts) for desktop in facts.desktops}
        of_pool: defaultdict[str, list[tuple[DesktopFacts, Phase]]] = defaultdict(list)
        for desktop in facts.desktops:
            of_pool[desktop.pool_id].append((desktop, phases[desktop.id]))
            self._one(desktop, phases[desktop.id])
        for session in facts.sessions:
            self._session(session)
        for pool in facts.pools:
            mine = of_pool[pool.id]
            if pool.deleting:
                self._delete_pool(pool.id, [desktop for desktop, _ in mine])
                continue
            lost = {desktop.id for desktop, _ in mine if desktop.on_lost_host(facts.hosts)}
            need = spares.need(pool, mine, leaving=self._leaving, lost=lost, now=facts.now)
            self._actions.extend(WantAbsent(id, self._leaving[id], spare=True) for id in need.left)
            self._actions.extend(
                WantAbsent(id, "It is a spare that the pool no longer needs.", spare=True) for id in need.surplus
            )
            if need.due is not None:
                self._dues.append(need.due)
            if need.note:
                self._notes[pool.id] = need.note
            self._make(pool, need)
        self._actions.extend(images.plan_images(facts))
        self._actions.extend(images.plan_operations(facts))
        due_in_s = max(0.0, (min(self._dues) - facts.now).total_seconds()) if self._dues else None
        return Plan(
            actions=tuple(self._actions),
            waiting=self._waiting,
            refusals=self._refusals,
            notes=self._notes,
            short=bool(self._waiting) or self._no_place,
            due_in_s=due_in_s,
        )

    def _one(self, desktop: DesktopFacts, phase: Phase) -> None:
        if desktop.outdated:
            self._actions.append(CatchUp(desktop.id))
            return
        if phase is Phase.GONE:
            self._actions.append(RemoveDesktop(desktop.id))
            return
        if phase is not desktop.announced:
            seconds = lifecycle.start_seconds(desktop, phase)
            again = lifecycle.on_its_way_again(desktop, phase)
            self._actions.append(Announce(desktop.id, desktop.announced, phase, seconds, again))
        if desktop.kept_until is not None:
            self._kept(desktop.id, desktop.kept_until)
            return
        if maintenance.is_shut_down(desktop, phase, self._facts.hosts):
            self._actions.append(ShutDown(desktop.id))
            return
        if lifecycle.lost_while_paused(desktop.wanted, desktop.fresh_seen, phase) or lifecycle.stopped_to_restart(
            desktop.wanted, phase, restart=desktop.restart
        ):
            self._actions.append(StartAgain(desktop.id))
            return
        chosen = self._place(desktop) if phase is Phase.WAITING else None
        failure = lifecycle.failure_of(
            desktop,
            phase,
            hosts=self._facts.hosts,
            now=self._facts.now,
            waiting_because=self._waiting.get(desktop.id, ""),
        )
        if failure is not None:
            self._actions.append(Fail(desktop.id, desktop.wanted.attempt, failure))
            return
        if chosen is not None:
            self._actions.append(Place(desktop.id, chosen.host_id, chosen))
        due = lifecycle.deadline(desktop, phase)
        pause_at = lifecycle.pause_at(desktop, phase, self._pause_after.get(desktop.pool_id))
        if pause_at is not None and pause_at <= self._facts.now:
            self._actions.append(Pause(desktop.id))
            pause_at = None
        if due is not None:
            self._dues.append(due)
        if pause_at is not None:
            self._dues.append(pause_at)

    def _place(self, desktop: DesktopFacts) -> Chosen | None:
        """Where a desktop goes that is nowhere yet; with None, why not is kept."""
        choice = self._rooms.choose(
            Need(
                pool_id=desktop.pool_id,
                image_id=desktop.image_id,
                memory_mib=desktop.memory_mib,
                fork_kind=desktop.fork_kind,
                where=self._where.get(desktop.pool_id, ANYWHERE),
            )
        )
        if choice.chosen is None:
            self._waiting[desktop.id] = choice.reason
            self._refusals[desktop.id] = choice.refusals
        return choice.chosen

    def _kept(self, desktop_id: str, until: datetime) -> None:
        """It is deleted: whatever becomes of it, it waits for its time to be over or to be restored."""
        if until <= self._facts.now:
            self._actions.append(EndKept(desktop_id))
        else:
            self._dues.append(until)

    def _session(self, session: SessionFacts) -> None:
        now = self._facts.now
        end = session_rules.end_of(session.rules, session.use, now=now)
        if end is not None and end.due:
            self._actions.append(EndSession(session.id))
            return
        warn_at = session_rules.warn_at(session.rules, session.use)
        if warn_at is not None and warn_at <= now:
            self._actions.append(WarnSession(session.id))
            return
        due = session_rules.look_at(session.rules, session.use, now=now)
        if due is not None:
            self._dues.append(due)

    def _why_leaving(self, desktop: DesktopFacts) -> str | None:
        """Why it is not to stay on its host, if it is nobody's and is not."""
        if maintenance.leaves(desktop, self._facts.hosts):
            return _LEFT
        where = self._where.get(desktop.pool_id, ANYWHERE)
        return _MISPLACED if lifecycle.misplaced(desktop, where, self._facts.hosts) else None

    def _make(self, pool: PoolFacts, wanted: spares.Need) -> None:
        """Make so many spares as have a place now: a spare that waits for a host would only fail."""
        need = Need(
            pool_id=pool.id,
            image_id=pool.image_id,
            memory_mib=pool.memory_mib,
            fork_kind=pool.fork_kind,
            where=pool.where,
        )
        for instead in (*[None] * wanted.make, *wanted.instead):
            choice = self._rooms.choose(need)
            if choice.chosen is None:
                self._no_place = True
                self._notes[pool.id] = f"Spares are wanted, but none can be placed. {choice.reason}"
                return
            if instead is None:
                self._actions.append(MakeSpare(pool.id, choice.chosen.host_id, choice.chosen))
            else:
                self._actions.append(WantAbsent(instead, self._leaving[instead], spare=True))

    def _delete_pool(self, pool_id: str, desktops: list[DesktopFacts]) -> None:
        if not desktops:
            self._actions.append(RemovePool(pool_id))
        for desktop in desktops:
            if desktop.wanted.power is not Power.ABSENT and desktop.kept_until is None:
                self._actions.append(WantAbsent(desktop.id, "Its pool is being deleted."))
