"""Carrying out what was planned: in one transaction, each action on its own ground, checked again."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from frazil.controller.planning import (
    Action,
    Announce,
    CatchUp,
    EndKept,
    EndOperation,
    EndSession,
    Fail,
    MakeSpare,
    Pause,
    Place,
    RemoveDesktop,
    RemoveImage,
    RemovePool,
    ShutDown,
    StartAgain,
    WantAbsent,
    WarnSession,
)
from frazil.controller.planning.facts import is_outdated
from frazil.controller.planning.lifecycle import lost_while_paused, stopped_to_restart
from frazil.controller.planning.placement import Chosen
from frazil.controller.planning.session_rules import end_of
from frazil.controller.presence import PresenceView
from frazil.controller.reconcile import announcing
from frazil.controller.services import giving, journal, making, recycling, release, session_limits, views
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, hosts, images, operations, placements, pools, restored, sessions
from frazil.model.desktop import Power


def carry_out(ctx: Context, actions: Sequence[Action], presence: PresenceView, tx: sa.Connection) -> None:
    """What is the same for many of them is done at once: most of what there is to do is to tell and to make spares."""
    told = [action for action in actions if isinstance(action, Announce)]
    for begin in range(0, len(told), desktops.AT_ONCE):
        announcing.announce(ctx, tx, told[begin : begin + desktops.AT_ONCE])
    for action in actions:
        _one(ctx, tx, action, presence)
    spares = [action for action in actions if isinstance(action, MakeSpare)]
    if spares:
        making.make_spares(ctx, tx, spares)


def _one(ctx: Context, tx: sa.Connection, action: Action, presence: PresenceView) -> None:
    match action:
        case Place(desktop_id, host_id, chosen):
            _place(ctx, tx, desktop_id, host_id, chosen)
        case Fail():
            _fail(ctx, tx, action, presence)
        case Pause(desktop_id):
            _pause(ctx, tx, desktop_id)
        case StartAgain(desktop_id):
            _start_again(ctx, tx, desktop_id, presence)
        case ShutDown(desktop_id):
            _shut_down(ctx, tx, desktop_id)
        case WantAbsent():
            _want_absent(ctx, tx, action)
        case EndKept(desktop_id):
            _end_kept(ctx, tx, desktop_id)
        case WarnSession(session_id):
            _warn_session(ctx, tx, session_id)
        case EndSession(session_id):
            _end_session(ctx, tx, session_id)
        case CatchUp(desktop_id):
            _catch_up(ctx, tx, desktop_id)
        case RemoveDesktop(desktop_id):
            _remove_desktop(ctx, tx, desktop_id)
        case RemovePool(pool_id):
            if desktops.count(tx, pool_id=pool_id) == 0:
                pools.delete(tx, pool_id)
        case RemoveImage(image_id):
            if desktops.using_image(tx, image_id) == 0 and not pools.using_image(tx, image_id):
                images.delete(tx, image_id)
        case EndOperation(operation_id, failure):
            operations.end(tx, operation_id, failure=failure, now=ctx.clock.now())


def _place(ctx: Context, tx: sa.Connection, desktop_id: str, host_id: str, chosen: Chosen | None) -> None:
    there = hosts.still_there(tx, [host_id])
    if host_id not in there or not desktops.place(tx, desktop_id, host_id=host_id):
        return  # the host was forgotten, or the desktop placed, since the plan was made
    if chosen is not None:
        placements.keep(tx, {desktop_id: chosen}, now=ctx.clock.now())
    journal.note(ctx, tx, making.PLACED, making.placed_on(there[host_id]), desktop_id=desktop_id)


def _fail(ctx: Context, tx: sa.Connection, action: Fail, presence: PresenceView) -> None:
    now = ctx.clock.now()
    if desktops.fail(tx, action.desktop_id, attempt=action.attempt, failure=action.failure, now=now):
        text = f"{action.failure.text} {action.failure.remedy}".rstrip()
        journal.note(ctx, tx, "desktop.failed", text, desktop_id=action.desktop_id, outcome="failed")
        giving.give_others(ctx, tx, action.desktop_id, presence)


def _pause(ctx: Context, tx: sa.Connection, desktop_id: str) -> None:
    row = desktops.find(tx, desktop_id)
    if row is None or row.power is not Power.RUNNING or sessions.connected_desktops(tx, [desktop_id]):
        return  # someone came since the plan was made
    desktops.want(tx, desktop_id, power=Power.PAUSED, graceful=False, now=ctx.clock.now())


def _start_again(ctx: Context, tx: sa.Connection, desktop_id: str, presence: PresenceView) -> None:
    row = desktops.find(tx, desktop_id)
    if row is None:
        return
    phase = views.phase_of(row, presence)
    lost = lost_while_paused(row.wanted, row.fresh_seen, phase)
    if not lost and not stopped_to_restart(row.wanted, phase, restart=row.restart):
        return  # it was wanted otherwise, or seen, since the plan was made
    desktops.want(tx, desktop_id, power=Power.RUNNING, graceful=False, now=ctx.clock.now())


def _shut_down(ctx: Context, tx: sa.Connection, desktop_id: str) -> None:
    row = desktops.find(tx, desktop_id)
    if row is None or row.assigned_user_id is None or row.power not in (Power.RUNNING, Power.PAUSED):
        return
    if row.host_id not in hosts.in_maintenance(tx) or sessions.open_ones(tx, desktop_id=desktop_id):
        return  # its person came, or maintenance ended, since the plan was made
    desktops.want(tx, desktop_id, power=Power.STOPPED, graceful=True, now=ctx.clock.now())
    text = "It is asked to shut down, since its host is in maintenance and nobody uses it."
    journal.note(ctx, tx, "desktop.shutdown", text, desktop_id=desktop_id)


def _want_absent(ctx: Context, tx: sa.Connection, action: WantAbsent) -> None:
    desktop_id, reason = action.desktop_id, action.reason
    row = desktops.find(tx, desktop_id)
    pool = pools.find(tx, row.pool_id) if row is not None else None
    if row is None or pool is None or (action.spare and row.assigned_user_id is not None):
        return  # it was given to someone since the plan was made
    if row.power is Power.ABSENT or row.kept_until is not None or not (action.spare or pool.deleting):
        return
    for session in sessions.open_ones(tx, desktop_id=desktop_id):
        release.end_session(ctx, tx, session, reason=reason, by=None)
    until = recycling.delete(ctx, tx, row, pool)
    journal.note(ctx, tx, "desktop.unwanted", f"It {recycling.told(until)}. {reason}", desktop_id=desktop_id)


def _end_kept(ctx: Context, tx: sa.Connection, desktop_id: str) -> None:
    if desktops.end_kept(tx, desktop_id, now=ctx.clock.now()):  # else it was restored since the plan was made
        text = "It is being deleted. Its time in the recycle bin is over."
        journal.note(ctx, tx, "desktop.unwanted", text, desktop_id=desktop_id)


def _warn_session(ctx: Context, tx: sa.Connection, session_id: str) -> None:
    row = sessions.find(tx, session_id)
    pool = pools.find(tx, row.pool_id) if row is not None else None
    now = ctx.clock.now()
    if row is None or pool is None or not sessions.warn(tx, session_id, now=now):
        return
    minutes = max(1, round(session_limits.rules_of(pool).warning.total_seconds() / 60))
    text = f"The session ends in {minutes} min, since it will have reached the longest time that one may take."
    journal.note(ctx, tx, "session.warned", text, desktop_id=row.desktop_id, outcome="seen")


def _end_session(ctx: Context, tx: sa.Connection, session_id: str) -> None:
    row = sessions.find(tx, session_id)
    pool = pools.find(tx, row.pool_id) if row is not None else None
    desktop = desktops.find(tx, row.desktop_id) if row is not None else None
    if row is None or row.ended_at is not None or pool is None or desktop is None:
        return
    use = session_limits.use_of(row, desktop, ctx.lines, ctx.clock)
    end = end_of(session_limits.rules_of(pool), use, now=ctx.clock.now())
    if end is not None and end.due:  # else someone came back since the plan was made
        release.end_session(ctx, tx, row, reason=session_limits.REASONS[end.limit], by=None)


def _catch_up(ctx: Context, tx: sa.Connection, desktop_id: str) -> None:
    """Somebody's own desktop goes on as it is on its host. Of any other one nobody knows whose it is by now: what its
    host has of it becomes a stray, and nobody is given it."""
    row = desktops.find(tx, desktop_id)
    pool = pools.find(tx, row.pool_id) if row is not None else None
    if row is None or pool is None or row.seen is None or not is_outdated(row.wanted, row.seen):
        return  # it was caught up with since the plan was made
    own = pool.kind == "persistent" and row.assigned_user_id is not None and row.power is not Power.ABSENT
    if own:
        desktops.adopt(tx, desktop_id, epoch=row.seen.epoch, attempt=row.seen.attempt, now=ctx.clock.now())
        text = "Since the backup that was restored its host has started it anew; it goes on as it is there."
        journal.note(ctx, tx, "desktop.adopted", text, desktop_id=desktop_id, outcome="seen")
        return
    for session in sessions.open_ones(tx, desktop_id=desktop_id):
        sessions.end(tx, session.id, reason=restored.SESSION_ENDED, now=ctx.clock.now())
    desktops.forget(tx, [desktop_id])
    text = restored.forgotten(row.name)
    journal.note(ctx, tx, "desktop.forgotten", text, desktop_id=desktop_id, outcome="seen")


def _remove_desktop(ctx: Context, tx: sa.Connection, desktop_id: str) -> None:
    row = desktops.find(tx, desktop_id)
    if row is not None and desktops.delete(tx, desktop_id):
        text = f"The desktop {row.name} is gone, with its disk."
        journal.note(ctx, tx, "desktop.gone", text, desktop_id=desktop_id)
