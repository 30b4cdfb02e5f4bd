"""What must hold whatever happens: looked at after every commit, and at everything that a host is asked to do.

What does not hold is kept in `wrongs`, in words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from frazil.controller.store import desktops, pools, quotas, sessions
from frazil.controller.store.rows import DesktopRow, PoolRow, SessionRow
from frazil.controller.store.tables import group_members, groups, users
from frazil.controller.store.tables import sessions as sessions_table
from frazil.model.desktop import Epoch, Power
from frazil.model.quota import ORDER, Amounts
from frazil.server.desktops.directory import Record
from frazil.server.hypervisor.port import Labels
from frazil.wire.hostlink import Desired


@dataclass(slots=True)
class Moment:
    """What stood in the database after the newest commit. sessions: the open ones."""

    desktops: dict[str, DesktopRow]
    pools: dict[str, PoolRow]
    sessions: dict[str, SessionRow]

    def used(self, people: Collection[str]) -> Amounts:
        """What these use together, counted by hand."""
        in_use = {session.desktop_id for session in self.sessions.values()}
        have = [
            row for row in self.desktops.values() if row.assigned_user_id in people and row.power is not Power.ABSENT
        ]
        run = [row for row in have if row.power in (Power.RUNNING, Power.PAUSED) or row.restart or row.id in in_use]
        return Amounts(
            desktops=len(have),
            vcpus=sum(row.profile.vcpus for row in run),
            memory_mib=sum(row.profile.memory_mib for row in run),
            sessions=sum(session.user_id in people for session in self.sessions.values()),
        )


class Watch:
    """`planted`: ids of what is on hosts and the database does not know. `adrift`: what it knew before an old backup
    was restored; some hosts may have it still."""

    def __init__(self, since_s: Callable[[], float]) -> None:
        self.wrongs: list[str] = []
        self.planted: set[str] = set()
        self.adrift: set[str] = set()
        self.moment = Moment({}, {}, {})
        self._since_s = since_s
        self._was_restored = False
        self._known: dict[str, DesktopRow] = {}
        """Every desktop that ever was, as it was last."""
        self._placed: dict[tuple[str, Epoch], str] = {}
        self._promised: set[str] = set()
        """Sessions that somebody was told of."""

    def broken(self, what: str) -> None:
        self.wrongs.append(f"at {timedelta(seconds=round(self._since_s(), 3))}: {what}")

    # --- the database ------------------------------------------------------------------------------------------------

    @staticmethod
    def read(tx: sa.Connection) -> Moment:
        return Moment(
            desktops={row.id: row for row in desktops.listed(tx)},
            pools={row.id: row for row in pools.listed(tx)},
            sessions={row.id: row for row in sessions.open_ones(tx)},
        )

    def committed(self, tx: sa.Connection) -> None:
        before, now = self.moment, self.read(tx)
        self.moment = now
        self._owners(now)
        self._places(now)
        self._quotas(tx, before, now)
        self._pools(before, now)
        self._gone(before, now)
        self._known |= now.desktops

    def restored(self, tx: sa.Connection, on_hosts: set[str]) -> None:
        """An old backup is the database now. What hosts have that it does not know is as good as a stray."""
        self._was_restored = True
        self.moment = self.read(tx)
        self.planted |= on_hosts - self.moment.desktops.keys()
        self.adrift |= self._known.keys() - self.moment.desktops.keys()
        self._known |= self.moment.desktops
        self._promised &= set(tx.execute(sa.select(sessions_table.c.id)).scalars())

    def _gone(self, before: Moment, now: Moment) -> None:
        """What was wanted there is forgotten for one reason only: an old backup can't tell whose it is by now."""
        for row in before.desktops.values():
            if row.id in now.desktops or row.power is Power.ABSENT:
                continue
            self.adrift.add(row.id)
            if not self._was_restored:
                self.broken(f"{row.name} is forgotten, though it was wanted {row.power.value}")

    def _owners(self, now: Moment) -> None:
        of_desktop: defaultdict[str, list[str]] = defaultdict(list)
        mine: Counter[tuple[str, str]] = Counter()
        for session in now.sessions.values():
            of_desktop[session.desktop_id].append(session.user_id)
            mine[session.user_id, session.pool_id] += 1
            row = now.desktops.get(session.desktop_id)
            if row is None or row.power is Power.ABSENT or row.kept_until is not None:
                self.broken(f"the open session {session.id} is on a desktop that is gone or going: {row}")
            elif row.assigned_user_id != session.user_id:
                self.broken(f"the open session {session.id} is on {row.name}, which is {row.assigned_user_id}'s")
        for desktop_id, people in of_desktop.items():
            if len(people) > 1:
                self.broken(f"the desktop {desktop_id} has two sessions open: {people}")
        for (user_id, pool_id), count in mine.items():
            if count > 1:
                self.broken(f"{user_id} has {count} sessions open in the pool {pool_id}")

    def _places(self, now: Moment) -> None:
        for row in now.desktops.values():
            if row.host_id is not None and self._placed.setdefault((row.id, row.epoch), row.host_id) != row.host_id:
                self.broken(f"{row.name} is wanted on two hosts with the same epoch {row.epoch}")
            known = self._known.get(row.id)
            if known is not None and (known.epoch, known.attempt) > (row.epoch, row.attempt):
                self.broken(f"{row.name} fell back from {known.epoch}, {known.attempt} to {row.epoch}, {row.attempt}")

    def _quotas(self, tx: sa.Connection, before: Moment, now: Moment) -> None:
        """Over a quota nobody comes but by its being lowered."""
        limits = [({row["id"]}, quotas.from_columns(row)) for row in tx.execute(sa.select(users)).mappings()]
        members: defaultdict[str, set[str]] = defaultdict(set)
        for group_id, user_id in tx.execute(sa.select(group_members.c.group_id, group_members.c.user_id)):
            members[group_id].add(user_id)
        limits += [(members[row["id"]], quotas.from_columns(row)) for row in tx.execute(sa.select(groups)).mappings()]
        for people, limit in limits:
            if not limit.limits:
                continue
            had, have = before.used(people), now.used(people)
            for what in ORDER:
                if limit.of(what) and have.of(what) > max(limit.of(what), had.of(what)):
                    self.broken(f"{sorted(people)} use {have.of(what)} {what} of {limit.of(what)}")

    def _pools(self, before: Moment, now: Moment) -> None:
        had = Counter(row.pool_id for row in before.desktops.values())
        has = Counter(row.pool_id for row in now.desktops.values())
        had_open = Counter(one.pool_id for one in before.sessions.values())
        has_open = Counter(one.pool_id for one in now.sessions.values())
        for pool in now.pools.values():
            if has[pool.id] > max(pool.max_desktops, had[pool.id]):
                self.broken(f"the pool {pool.name} has {has[pool.id]} desktops of {pool.max_desktops}")
            if pool.max_sessions and has_open[pool.id] > max(pool.max_sessions, had_open[pool.id]):
                self.broken(f"the pool {pool.name} has {has_open[pool.id]} sessions of {pool.max_sessions}")

    # --- what people were told ---------------------------------------------------------------------------------------

    def promised(self, session_id: str) -> None:
        """Somebody was told that they have this session."""
        self._promised.add(session_id)

    def kept(self, tx: sa.Connection) -> None:
        """What was answered is there, or has ended with a reason."""
        found = {row["id"]: row for row in tx.execute(sa.select(sessions_table)).mappings()}
        for session_id in sorted(self._promised):
            row = found.get(session_id)
            if row is None:
                self.broken(f"the session {session_id} was answered, and was never there")
            elif row["ended_at"] is not None and not row["end_reason"]:
                self.broken(f"the session {session_id} ended without a reason")

    # --- hosts -------------------------------------------------------------------------------------------------------

    def told(self, host_id: str, desired: Desired) -> None:
        """A host is told what is wanted of it."""
        for spec in desired.desktops:
            epoch = Epoch(spec.epoch.generation, spec.epoch.counter)
            if spec.desktop_id not in self._known:
                self.broken(f"{host_id} is told of {spec.desktop_id}, which no database ever knew")
            elif self._placed.get((spec.desktop_id, epoch)) != host_id:
                self.broken(f"{host_id} is told of {spec.name} at {epoch}, which was placed elsewhere")

    def destroyed(self, host_id: str, labels: Labels) -> None:
        """A host ends a domain."""
        if labels.desktop_id not in self._known:
            self.broken(f"{host_id} destroyed {labels.name}, which no database ever knew")

    def removed(self, host_id: str, record: Record) -> None:
        """A host removes a disk: somebody wanted the desktop gone, or begun anew where disks are not kept."""
        row = self._known.get(record.desktop_id)
        if row is None:
            self.broken(f"{host_id} removed the disk of {record.desktop_id}, which no database ever knew")
            return
        pool = self.moment.pools.get(row.pool_id)
        gone = row.power is Power.ABSENT and row.attempt > record.attempt
        anew = pool is not None and not pool.keeps_disks and (row.epoch, row.attempt) > (record.epoch, record.attempt)
        if not gone and not anew:
            self.broken(f"{host_id} removed the disk of {row.name}, which nobody wanted gone")

    def used(self, host_id: str, desktop_id: str, people: set[str]) -> None:
        """A desktop is there for somebody; `people`: all whose it ever was, with this disk."""
        if len(people) > 1:
            self.broken(f"{host_id} had {sorted(people)} on one and the same {desktop_id}")
