"""Pools: so many equal desktops, of which some are kept ready."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from frazil.controller.identity import Identity, Right
from frazil.controller.identity.rights import rights_of
from frazil.controller.services import finding, giving, journal, paging, quotas, release, views, words
from frazil.controller.services import operations as operations_service
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, entitlements, operations, policies, pools, sessions
from frazil.controller.store import quotas as quota_rows
from frazil.controller.store.rows import PoolRow
from frazil.model import labels
from frazil.model.errors import Conflict, InvalidInput, NameTaken, NotFound, Refused, Stale
from frazil.model.policy import Policy
from frazil.wire.rest import (
    AssignmentRequest,
    AtSignOut,
    Desktop,
    Operation,
    Page,
    Pool,
    PoolChange,
    PoolKind,
    PoolRequest,
)


class Pools:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(
        self, identity: Identity, *, mine: bool = False, limit: int = paging.LIMIT, cursor: str | None = None
    ) -> Page[Pool]:
        """All for who may see them, else, or with `mine`, those that the caller may use."""
        after = paging.decode(cursor)
        paging.check(limit)
        every = identity.may(Right.USE_EVERY_POOL if mine else Right.SEE_POOLS)
        for_user = None if every else identity.require_account()
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> list[Pool]:
            rows = pools.listed(tx, for_user=for_user, after=after, limit=limit + 1)
            return views.pool_models(tx, rows, ctx=self._ctx, presence=presence)

        models = await self._ctx.store.read(work)
        return paging.page(models, limit=limit, key=lambda pool: pool.id, model=lambda pool: pool)

    async def show(self, identity: Identity, ref: str) -> Pool:
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Pool:
            row = visible(tx, identity, ref)
            return views.pool_models(tx, [row], ctx=self._ctx, presence=presence)[0]

        return await self._ctx.store.read(work)

    async def create(self, identity: Identity, request: PoolRequest) -> Pool:
        identity.require(Right.CHANGE_POOLS)
        _check_bounds(request.spares, request.max_desktops)
        at_sign_out = request.at_sign_out or ("destroy" if request.kind == "floating" else "keep")
        _check_kind(request.kind, at_sign_out)

        def work(tx: sa.Connection) -> str:
            image = finding.image(tx, request.image)
            if image.wanted == "absent":
                raise Conflict(f"The image {image.name} is being deleted.", remedy="Choose another image.")
            now = self._ctx.clock.now()
            pool = PoolRow(
                id=self._ctx.ids.new_id(),
                name=request.name,
                label=request.label or request.name,
                image_id=image.id,
                profile=request.profile,
                spares=request.spares,
                max_desktops=request.max_desktops,
                start_deadline_s=request.start_deadline_s,
                start=request.start,
                pause_after_s=request.pause_after_s,
                share_memory=request.share_memory,
                kind=request.kind,
                assignment=request.assignment,
                at_sign_out=at_sign_out,
                grace_s=request.grace_s,
                longest_s=request.longest_s,
                idle_s=request.idle_s,
                max_sessions=request.max_sessions,
                keep_deleted_s=request.keep_deleted_s,
                host_labels=request.host_labels,
                placement=request.placement,
                apart_by=request.apart_by,
                policy=request.policy.applied_to(Policy()) if request.policy is not None else Policy(),
                version=1,
                deleting=False,
                created_at=now,
                changed_at=now,
            )
            there = pools.find(tx, request.name)
            if there is not None:
                raise _taken(request.name, deleting=there.deleting)
            try:
                pools.insert(tx, pool)
            except IntegrityError as exc:
                raise _taken(request.name) from exc
            journal.note(self._ctx, tx, "pool.created", f"The pool {pool.name} was created.", by=identity)
            if pool.policy != Policy():
                _note_policy(self._ctx, tx, pool.name, pool.policy, by=identity)
            return pool.id

        pool_id = await self._ctx.store.write(work)
        self._ctx.wake()
        return await self.show(identity, pool_id)

    async def change(self, identity: Identity, ref: str, change: PoolChange, *, if_match: int) -> Pool:
        """`if_match` is the `version` that the caller looked at; raises Stale when it is no longer the newest.

        Open sessions follow a new policy at once.
        """
        identity.require(Right.CHANGE_POOLS)

        def work(tx: sa.Connection) -> str:
            row = finding.pool(tx, ref)
            if row.deleting:
                raise Conflict(f"The pool {row.name} is being deleted.")
            said: dict[str, object] = change.model_dump(exclude_unset=True, exclude_none=True, exclude={"policy"})
            policy = row.policy if change.policy is None else change.policy.applied_to(row.policy)
            spares = change.spares if change.spares is not None else row.spares
            most = change.max_desktops if change.max_desktops is not None else row.max_desktops
            _check_bounds(spares, most)
            _check_kind(row.kind, change.at_sign_out or row.at_sign_out)
            values = said | {"policy": policies.to_column(policy)}
            if not pools.change(tx, row.id, if_version=if_match, now=self._ctx.clock.now(), values=values):
                raise Stale(
                    f"The pool {row.name} was changed in the meantime: it is at version {row.version}, "
                    f"you looked at {if_match}.",
                    remedy="Look at it again and repeat your change.",
                )
            if change.longest_s is not None and change.longest_s != row.longest_s:
                sessions.unwarn(tx, row.id)
            if policy != row.policy:
                _note_policy(self._ctx, tx, row.name, policy, by=identity)
            if said or policy == row.policy:
                listed = ", ".join(f"{name} {_told(value)}" for name, value in said.items()) or "nothing"
                text = f"The pool {row.name} was changed: {listed}."
                journal.note(self._ctx, tx, "pool.changed", text, by=identity)
            return row.id

        pool_id = await self._ctx.store.write(work)
        self._ctx.wake()
        return await self.show(identity, pool_id)

    async def assign(self, identity: Identity, ref: str, request: AssignmentRequest) -> Desktop:
        """Make a desktop of a persistent pool a user's: one that is there, else one on its way."""
        identity.require(Right.CHANGE_POOLS)
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Desktop:
            row, who = finding.pool(tx, ref), finding.user(tx, request.user)
            held = quota_rows.hold(tx, who.id)
            if row.kind != "persistent" or row.deleting:
                state = "being deleted" if row.deleting else "floating: its desktops are whoever's session it is"
                raise Conflict(f"Desktops are assigned in a persistent pool; {row.name} is {state}.")
            may = Right.USE_EVERY_POOL in rights_of(who.role)
            if not may and not entitlements.entitled(tx, pool_id=row.id, user_id=who.id):
                raise Conflict(
                    f"{who.name} may not use the pool {row.name}.",
                    remedy="Let them, or a group of theirs, use it first.",
                )
            have = desktops.of_user(tx, pool_id=row.id, user_id=who.id)
            if have is not None:
                raise Conflict(f"{who.name} has the desktop {have.name} of the pool {row.name} already.")
            quotas.check(tx, held, who.id, quotas.a_desktop(row.profile, session=False), own=False)
            given = giving.give(self._ctx, tx, who.id, row, presence)
            if given is None:
                raise Conflict(
                    f"The pool {row.name} has all of its {row.max_desktops} desktops, and none is free.",
                    remedy="Allow it more desktops, or delete one that nobody needs.",
                )
            text = f"The desktop {given.name} was assigned to {who.name}."
            journal.note(self._ctx, tx, "desktop.assigned", text, by=identity, desktop_id=given.id)
            return views.desktop(given, ctx=self._ctx, presence=presence, names=views.Names.of(tx, [given]))

        assigned = await self._ctx.store.write(work)
        self._ctx.wake()
        return assigned

    async def delete(self, identity: Identity, ref: str, *, for_good: bool = False) -> Operation:
        """Its sessions end, its desktops go, then the pool.

        Desktops that hold what somebody saved are kept for its time, and with them the pool, unless `for_good`.
        """
        identity.require(Right.CHANGE_POOLS)

        def work(tx: sa.Connection) -> Operation:
            row = finding.pool(tx, ref)
            now = self._ctx.clock.now()
            if for_good:
                pools.keep_none(tx, row.id)
                for desktop in desktops.listed(tx, pool_id=row.id, deleted=True):
                    desktops.want_absent(tx, desktop.id, now=now)
            running = operations.running(tx, target_id=row.id)
            if row.deleting and running:
                return operations_service.model(tx, running[0])
            pools.mark_deleting(tx, row.id, now=now)
            for session in sessions.open_ones(tx, pool_id=row.id):
                release.end_session(self._ctx, tx, session, reason="The pool was deleted.", by=identity)
            operation = operations.insert(
                tx, id=self._ctx.ids.new_id(), kind="pool.delete", target_id=row.id, attempt=1, now=now
            )
            journal.note(self._ctx, tx, "pool.deleted", f"The pool {row.name} is being deleted.", by=identity)
            return operations_service.model(tx, operation)

        operation = await self._ctx.store.write(work)
        self._ctx.wake()
        return operation


def visible(tx: sa.Connection, identity: Identity, ref: str) -> PoolRow:
    """The pool, if the caller may know of it; NotFound otherwise."""
    if identity.may(Right.SEE_POOLS):
        return finding.pool(tx, ref)
    row = pools.find(tx, ref)
    if row is None or not _may_use(tx, identity, row):
        raise NotFound(f"There is no pool called {ref[:100]!r}.", remedy="See the list of your pools.")
    return row


def usable(tx: sa.Connection, identity: Identity, ref: str) -> PoolRow:
    """The pool, if the caller may use its desktops; Refused when they only may see it, NotFound otherwise."""
    row = visible(tx, identity, ref)
    if identity.may(Right.SEE_POOLS) and not _may_use(tx, identity, row):  # others see only what they may use
        raise Refused(
            f"You may see the pool {row.name}, but not use its desktops.",
            remedy="Somebody who may change pools can entitle you to it.",
        )
    return row


def _may_use(tx: sa.Connection, identity: Identity, row: PoolRow) -> bool:
    if identity.may(Right.USE_EVERY_POOL):
        return True
    return identity.user_id is not None and entitlements.entitled(tx, pool_id=row.id, user_id=identity.user_id)


def _note_policy(ctx: Context, tx: sa.Connection, name: str, policy: Policy, *, by: Identity) -> None:
    text = f"What may pass in the pool {name} was changed. {words.forbidden(policy)}"
    journal.note(ctx, tx, "pool.policy-changed", text, by=by)


def _told(value: object) -> object:
    """What a setting was changed to, as the history has it."""
    said = labels.in_words(value) if isinstance(value, dict) else value
    return "none" if said == "" else said


def _check_bounds(spares: int, max_desktops: int) -> None:
    if spares > max_desktops:
        raise InvalidInput(
            f"{spares} spares can't be kept by a pool of at most {max_desktops} desktops.",
            remedy="Ask for fewer spares or allow more desktops.",
            field="spares",
        )


def _check_kind(kind: PoolKind, at_sign_out: AtSignOut) -> None:
    if (kind == "floating") != (at_sign_out == "destroy"):
        raise InvalidInput(
            f"A {kind} pool can't {at_sign_out} its desktops when somebody signs out.",
            remedy="A floating pool destroys them, since anybody may get the next one; a persistent pool keeps them or "
            "resets them.",
            field="at_sign_out",
        )


def _taken(name: str, *, deleting: bool = False) -> NameTaken:
    if deleting:
        return NameTaken(
            f"There is a pool called {name} still, which was deleted.",
            remedy="Choose another name, restore one of its desktops, or delete it for good.",
        )
    return NameTaken(f"There is a pool called {name} already.", remedy="Choose another name.")
