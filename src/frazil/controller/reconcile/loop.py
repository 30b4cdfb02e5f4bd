"""When to look, and what surrounds a look."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
import structlog

from frazil import failpoint
from frazil.controller.leadership import Deposed, Leadership
from frazil.controller.planning import Action, Facts, MakeSpare, Place, Plan, plan
from frazil.controller.presence import PresenceView
from frazil.controller.reconcile import snapshot, viewers
from frazil.controller.reconcile.carry_out import carry_out
from frazil.controller.reconcile.snapshot import Snapshot
from frazil.controller.services import journal
from frazil.controller.services.context import Context
from frazil.controller.store import Signal, desktops, hosts, sessions
from frazil.model.errors import FrazilError

POLL_S = 15.0
"""Behind the events: the longest that anything missed can go unnoticed."""
ROUNDS_MAX = 20
"""A plan leads to another at most a few times (make, place, tell), if nothing else happens meanwhile."""
RESTS, REST_MAX_S = 2.0, 2.0
"""After a round of planning, so many times as long as it took, and so long at most."""
SLICE = 100
"""So many actions are carried out in one transaction."""
RETRY_S = 1.0
LOOK_ON_S = 5.0
CLOCK_STEP_S = 30.0
"""By so much the time of day may differ from the time that has passed between two looks."""
FLUSH_S = 10.0

log = structlog.get_logger(__name__)


def _restart_clocks(tx: sa.Connection, now: datetime) -> None:
    desktops.restart_clocks(tx, now=now)
    sessions.restart_clocks(tx, now=now)


class Reconciler:
    """`wake` may be called from the event loop at any time; `run` ends when it is cancelled.

    Of several controllers the one that leads carries out what it plans; the others plan too, less often, for the words
    about what waits.
    """

    def __init__(self, ctx: Context, leadership: Leadership) -> None:
        self._ctx = ctx
        self._leadership = leadership
        self._signal = Signal()
        self._began_s = self._flushed_s = ctx.clock.monotonic_s()
        self._day_began: datetime | None = None
        self._settled = False
        self._memory = snapshot.Memory()
        self._marks: dict[str, int] = {}
        self._for_all = 0

    def wake(self) -> None:
        self._signal.bump()

    async def run(self) -> None:
        while True:
            version, began_s = self._signal.version, self._ctx.clock.monotonic_s()
            led = self._leadership.leads
            try:
                wait_s = await (self.look() if led else self._look_on())
            except Deposed:
                continue
            except FrazilError as exc:
                log.error("reconcile.failed", what=exc.what, code=exc.code)
                wait_s = RETRY_S
            await self._rest(began_s)
            if led:
                await self._signal.wait(version, timeout_s=wait_s)
            else:
                await self._leadership.begins(within_s=wait_s)

    async def _look_on(self) -> float:
        """While another controller leads: say the same as it of what waits."""
        self._day_began = None
        await self._plan(self._ctx.presence.view())
        return LOOK_ON_S

    async def _rest(self, began_s: float) -> None:
        """Leave most of the time to everybody else: what was asked for meanwhile is looked at together."""
        took_s = self._ctx.clock.monotonic_s() - began_s
        await asyncio.sleep(min(REST_MAX_S, RESTS * took_s))

    async def look(self) -> float:
        """Plan and carry out until nothing is left to do. How long until the next look, if nothing happens.

        Raises Deposed when another controller leads.
        """
        await self._mind_the_clock()
        presence = self._ctx.presence.view()
        await self._announce_hosts(presence)
        await self._flush()
        began_s = self._ctx.clock.monotonic_s()
        decided = await self._plan(presence)
        for _ in range(ROUNDS_MAX):
            if not decided.actions:
                break
            before = decided.actions
            await self._carry_out(before, presence)
            await self._rest(began_s)
            began_s = self._ctx.clock.monotonic_s()
            decided = await self._plan(presence)
            if decided.actions == before:
                log.error("reconcile.no-end", actions=sorted({type(action).__name__ for action in before}))
                break
        waits = [POLL_S, decided.due_in_s, self._ctx.presence.next_silence_s(), RETRY_S if decided.actions else None]
        return max(0.05, min(wait for wait in waits if wait is not None))

    async def _carry_out(self, actions: Sequence[Action], presence: PresenceView) -> None:
        """In slices: whoever else wants to write waits for one of them, not for all."""
        for begin in range(0, len(actions), SLICE):
            part = actions[begin : begin + SLICE]
            await self._leadership.write(partial(carry_out, self._ctx, part, presence))
            self._ctx.tell_hosts({action.host_id for action in part if isinstance(action, MakeSpare | Place)})
            if any(isinstance(action, MakeSpare) for action in part):
                failpoint.reach("controller.created")

    async def _mind_the_clock(self) -> None:
        """Let deadlines count anew where nobody looked, as before this process, or the time of day was set.

        What was on its way in the meantime, with its host perhaps switched off too, is not late for that.
        """
        now = self._ctx.clock.now()
        day_began = now - timedelta(seconds=self._ctx.clock.monotonic_s())
        before = self._day_began
        if before is None or abs(day_began - before) > timedelta(seconds=CLOCK_STEP_S):
            await self._leadership.write(lambda tx: _restart_clocks(tx, now))
            log.info("reconcile.clocks-restarted", stepped_s=(day_began - before).total_seconds() if before else None)
        self._day_began = day_began

    async def _plan(self, presence: PresenceView) -> Plan:
        ctx = self._ctx
        began_s = ctx.clock.monotonic_s()
        seen = await ctx.store.read(
            partial(snapshot.read, presence=presence, lines=ctx.lines, clock=ctx.clock, memory=self._memory)
        )
        ctx.tell_hosts(self._changed(seen))
        decided = await asyncio.to_thread(plan, seen.facts)
        words = ctx.words
        words.waiting, words.refusals, words.notes = decided.waiting, decided.refusals, decided.notes
        words.short = decided.short
        words.facts, words.looked_s = seen.facts, began_s
        ctx.measures.looked(ctx.clock.monotonic_s() - began_s)
        failpoint.reach("controller.planned")
        if not decided.actions:
            self._say_settled(seen.facts, presence)
        return decided

    def _changed(self, seen: Snapshot) -> Collection[str]:
        """The hosts of which something else is wanted than at the last look."""
        before, self._marks = self._marks, seen.marks
        if seen.for_all != self._for_all:
            self._for_all = seen.for_all
            return seen.facts.hosts.keys()
        return [id for id in before.keys() | seen.marks.keys() if before.get(id) != seen.marks.get(id)]

    def _say_settled(self, facts: Facts, presence: PresenceView) -> None:
        """Tell the log, once, that all is known that this process did not know when it began, and nothing is to do."""
        if self._settled or not all(host.silent or host.id in presence.known for host in facts.hosts.values()):
            return
        self._settled = True
        after_s = self._ctx.clock.monotonic_s() - self._began_s
        log.info("reconcile.settled", hosts=len(facts.hosts), desktops=len(facts.desktops), after_s=round(after_s, 1))

    async def _announce_hosts(self, presence: PresenceView) -> None:
        """Write to the history which hosts came and which fell silent."""

        def changed(tx: sa.Connection) -> list[tuple[str, str, str]]:
            found = []
            for row in hosts.brief(tx):
                state = "up" if row.id in presence.up else "silent"
                if state != row.announced and (state == "up" or presence.is_silent(row.id)):
                    found.append((row.id, row.name, state))
            return found

        changes = await self._ctx.store.read(changed)
        if not changes:
            return

        def work(tx: sa.Connection) -> None:
            for host_id, name, state in changes:
                hosts.announce(tx, host_id, state=state)
                text = f"The host {name} is connected." if state == "up" else f"The host {name} has fallen silent."
                journal.note(self._ctx, tx, f"host.{state}", text, outcome="seen")

        await self._leadership.write(work)
        log.info("hosts.changed", hosts=[(name, state) for _, name, state in changes])

    async def _flush(self) -> None:
        """Write down now and then when each host was last heard, and who really looks at a desktop or may no longer."""
        now_s = self._ctx.clock.monotonic_s()
        if now_s - self._flushed_s < FLUSH_S:
            return
        self._flushed_s = now_s
        await viewers.put_right(self._ctx, running_s=now_s - self._began_s)
        await viewers.see_off(self._ctx)
        heard = self._ctx.presence.take_unflushed()
        if not heard:
            return
        at = self._ctx.clock.now()

        def work(tx: sa.Connection) -> None:
            hosts.heard(tx, heard, at=at)
            sessions.forget_tickets(tx, now=at)

        await self._leadership.write(work, changes=lambda _: False)
