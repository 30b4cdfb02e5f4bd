"""What people, administrators and misfortune do to a simulated installation, each in one line."""

from __future__ import annotations

from typing import Any, Literal

from frazil.controller.services.desktops import Action
from frazil.wire.quota import QuotaChange
from frazil.wire.rest import AssignmentRequest, PoolChange, RestoreRequest, SessionRequest, UserChange
from frazil.wire.sessions import LinkState
from tests.harness.simulation.backups import Backup
from tests.harness.simulation.settling import settle
from tests.harness.simulation.simulation import GROUP, Controller, Simulation

PEOPLE = ("ann", "bob", "cid")
POOLS: dict[str, dict[str, Any]] = {
    "desk": {"spares": 2, "max_desktops": 5, "pause_after_s": 40, "grace_s": 120},
    "own": {"kind": "persistent", "spares": 1, "max_desktops": 4, "keep_deleted_s": 3600, "max_sessions": 2},
    "lab": {
        "kind": "persistent",
        "at_sign_out": "reset",
        "spares": 1,
        "max_desktops": 3,
        "longest_s": 900,
        "max_sessions": 1,
    },
}
ADDRESS = "192.0.2.7"


class Doings(Simulation):
    """Things are named by their place among all that there are, so that what is done can be said in one line.

    Calls are begun, not waited for: `pass_s` has them go on, beside each other.
    """

    backup: Backup | None = None

    def begin(self) -> None:
        self.run(self.set_up(PEOPLE))
        for name, values in POOLS.items():
            self.run(self.pool(name=name, **values))
        self.pass_s(40.0)

    def end(self) -> None:
        """Raises AssertionError with all that did not hold."""
        if not self.watch.wrongs:
            settle(self)
        self.check()

    def check(self) -> None:
        self.checks += 1
        assert not self.watch.wrongs, "\n".join(self.watch.wrongs)

    def _desktop(self, nth: int) -> str | None:
        ids = sorted(self.watch.moment.desktops)
        return ids[nth % len(ids)] if ids else None

    def _session(self, nth: int) -> str | None:
        ids = sorted(self.watch.moment.sessions)
        return ids[nth % len(ids)] if ids else None

    # --- people ------------------------------------------------------------------------------------------------------

    def open(self, who: str, pool: str) -> None:
        self.call(
            lambda c: c.services.sessions.open(self.people[who], SessionRequest(pool=pool)),
            lambda answer: self.watch.promised(answer.session.id),
        )

    def leave(self, nth: int) -> None:
        if (session := self._session(nth)) is not None:
            self.viewers.discard(session)
            self.call(lambda c: c.services.sessions.end(self.root, session))

    def connect(self, nth: int, *, connected: bool) -> None:
        """A viewer comes or goes."""
        if (session := self._session(nth)) is not None:
            (self.viewers.add if connected else self.viewers.discard)(session)
            state = LinkState(connected=connected, remote_address=ADDRESS)
            self.call(lambda c: c.services.sessions.link_state(session, state))

    def inside(self, nth: int, what: Literal["sign out", "shut down"]) -> None:
        """Somebody does this in a desktop."""
        if (desktop := self._desktop(nth)) is not None:
            for host in self.hosts:
                (host.sign_out_inside if what == "sign out" else host.stop_inside)(desktop)

    # --- administrators ----------------------------------------------------------------------------------------------

    def act(self, nth: int, action: Action) -> None:
        if (desktop := self._desktop(nth)) is not None:
            self.call(lambda c: c.services.desktops.act(self.root, desktop, action))

    def restore(self, nth: int) -> None:
        kept = sorted(row.id for row in self.watch.moment.desktops.values() if row.kept_until is not None)
        if kept:
            desktop = kept[nth % len(kept)]
            self.call(lambda c: c.services.desktops.restore(self.root, desktop, RestoreRequest()))

    def edit(self, pool: str, **values: int) -> None:
        async def change(c: Controller) -> None:
            found = await c.services.pools.show(self.root, pool)
            await c.services.pools.change(self.root, pool, PoolChange(**values), if_match=found.version)

        self.call(change)

    def delete_pool(self, pool: str, *, for_good: bool) -> None:
        self.call(lambda c: c.services.pools.delete(self.root, pool, for_good=for_good))

    def make_pool(self, pool: str) -> None:
        self.call(lambda _: self.pool(name=pool, **POOLS[pool]))

    def quota(self, who: str, **values: int) -> None:
        async def change(c: Controller) -> None:
            found = await c.services.people.show(self.root, who)
            changed = UserChange(quota=QuotaChange(**values))
            await c.services.people.change(self.root, who, changed, if_match=found.version)

        self.call(change)

    def assign(self, who: str, pool: str) -> None:
        self.call(lambda c: c.services.pools.assign(self.root, pool, AssignmentRequest(user=who)))

    def maintain(self, host: int, *, maintenance: bool) -> None:
        self.call(lambda c: c.services.hosts.maintain(self.root, self.hosts[host].id, maintenance=maintenance))

    def dismiss(self, who: str) -> None:
        """They are deleted, and are back as somebody else of the same name."""

        async def anew(c: Controller) -> None:
            await c.services.people.delete(self.root, who)
            await self.hire(c, who)

        self.call(anew)

    def entitle(self, pool: str, *, may: bool) -> None:
        """Let the group use a pool, or no longer."""
        if may:
            self.call(lambda c: c.services.entitlements.grant_group(self.root, pool, GROUP))
        else:
            self.call(lambda c: c.services.entitlements.revoke_group(self.root, pool, GROUP))

    # --- misfortune --------------------------------------------------------------------------------------------------

    def afflict(self, host: int, what: str, *, on: bool) -> None:
        one = self.hosts[host]
        match what:
            case "cut off":
                one.cut(off=on)
            case "server ended":
                self.run(one.end()) if on else self.loop.call_soon(one.start_if_ended)
            case "power lost":
                self.run(one.lose_power()) if on else self.loop.call_soon(one.start_if_ended)
            case _:
                setattr(one, what, on)
                one.wake()

    def set_clock(self, ahead_s: float, *, host: int | None) -> None:
        """Set the time of day of a host, or (None) of the controller."""
        (self.clock if host is None else self.hosts[host].clock).ahead_s = ahead_s

    def back_up(self) -> None:
        self.backup = Backup.of(self.engines, now=self.clock.now())

    def restore_backup(self) -> None:
        """The controller is ended, and begins anew on what was saved."""
        if self.backup is not None and self.controller is not None:
            self.before_next = self.backup
            self.controller.life.end("to restore a backup")

    def stray(self, host: int) -> None:
        desktop_id = f"01900000-0000-7000-a000-{len(self.watch.planted):012d}"
        self.watch.planted.add(desktop_id)
        self.hosts[host].plant(desktop_id)
