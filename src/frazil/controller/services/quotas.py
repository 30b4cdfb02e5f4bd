"""Whether somebody may have one thing more: asked in the transaction that gives it."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.store import desktops, pools, quotas, sessions
from frazil.controller.store.rows import DesktopRow, PoolRow, QuotaRow
from frazil.model.desktop import Power
from frazil.model.errors import OverQuota
from frazil.model.quota import Amounts, What, excess
from frazil.wire.hostlink import Profile
from frazil.wire.rest import AtSignOut

_FREED_BY: dict[What, frozenset[AtSignOut]] = {
    "desktops": frozenset({"destroy"}),
    "vcpus": frozenset({"destroy", "keep"}),
    "memory_mib": frozenset({"destroy", "keep"}),
    "sessions": frozenset({"destroy", "keep", "reset"}),
}
"""What becomes less when a session ends, by what its pool then does with the desktop."""


def a_desktop(profile: Profile, *, session: bool) -> Amounts:
    """What one more desktop takes, with a session on it or without."""
    return Amounts(desktops=1, vcpus=profile.vcpus, memory_mib=profile.memory_mib, sessions=int(session))


def own_again(row: DesktopRow, *, session: bool) -> Amounts:
    """What it takes besides to have a desktop run that is somebody's already, and has no open session yet."""
    if row.power in (Power.RUNNING, Power.PAUSED) or row.restart:
        return Amounts(sessions=int(session))
    return Amounts(vcpus=row.profile.vcpus, memory_mib=row.profile.memory_mib, sessions=int(session))


def check(tx: sa.Connection, held: list[QuotaRow], user_id: str, asked: Amounts, *, own: bool) -> None:
    """Raise OverQuota when a quota has no room for `asked`.

    held: what `store.quotas.hold` gave in this transaction. own: the user asks for themselves.
    """
    for row in held:
        used_by = quotas.used_by_users if row.kind == "user" else quotas.used_by_groups
        over = excess(row.quota, used=used_by(tx, [row.id])[row.id], asked=asked)
        if over is None:
            continue
        of_user = row.kind == "user"
        name = row.name if of_user else f"The group {row.name}"
        raise OverQuota(
            over.in_words(own=own and of_user, name=name),
            told=over.in_words(own=False, name=name),
            remedy=_remedy(tx, user_id, over.what, own=own, of_user=of_user),
        )


def check_run(tx: sa.Connection, row: DesktopRow, *, by: str | None) -> None:
    """Raise OverQuota when its person's quotas have no room for this desktop to run. `by`: the id of who wants it."""
    user_id = row.assigned_user_id
    if user_id is None:
        return
    held = quotas.hold(tx, user_id)
    now = desktops.find(tx, row.id)
    if now is not None and not sessions.open_ones(tx, desktop_id=row.id):
        check(tx, held, user_id, own_again(now, session=False), own=by == user_id)


def _remedy(tx: sa.Connection, user_id: str, what: What, *, own: bool, of_user: bool) -> str:
    if not own:
        return "Raise the quota, or end something else of theirs first."
    open_ones = sessions.open_ones(tx, user_id=user_id)
    ends = {pool.at_sign_out for pool in pools.by_ids(tx, {session.pool_id for session in open_ones}).values()}
    if ends & _FREED_BY[what]:
        return "End a session first."
    return "Ask an administrator for more." if of_user else "Try again when others have left, or ask an administrator."


def check_pool(tx: sa.Connection, pool: PoolRow) -> None:
    """Raise OverQuota when as many sessions of the pool are open as may be."""
    if not pool.max_sessions:
        return
    held = pools.hold(tx, pool.id)
    if held is None or not held.max_sessions:
        return
    used = sessions.count_open(tx, pool_id=pool.id)
    if used >= held.max_sessions:
        text = f"{used} of {held.max_sessions} sessions of the pool {held.label} are open."
        raise OverQuota(text, told=text, remedy="Try again when someone has left, or ask an administrator.")
