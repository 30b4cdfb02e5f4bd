"""Groups: users who are entitled to pools together."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from frazil.controller.identity import Identity, Right
from frazil.controller.services import finding, journal, paging, release, words
from frazil.controller.services.context import Context
from frazil.controller.store import entitlements, groups, quotas
from frazil.controller.store.rows import GroupRow, MemberRow
from frazil.model.errors import NameTaken, Stale
from frazil.model.quota import Amounts
from frazil.wire.quota import AmountsField
from frazil.wire.rest import Group, GroupChange, GroupMember, GroupRequest, Page


def _models(tx: sa.Connection, rows: Sequence[GroupRow]) -> list[Group]:
    used = quotas.used_by_groups(tx, [row.id for row in rows])
    return [_model(row, used[row.id]) for row in rows]


def _model(row: GroupRow, used: Amounts) -> Group:
    return Group(
        id=row.id,
        name=row.name,
        label=row.label,
        members=row.members,
        quota=AmountsField.of(row.quota),
        used=AmountsField.of(used),
        version=row.version,
        created_at=row.created_at,
    )


def _member(row: MemberRow) -> GroupMember:
    return GroupMember(
        user_id=row.user_id,
        user_name=row.user_name,
        display_name=row.display_name,
        source=row.source,
        created_at=row.created_at,
    )


class Groups:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(
        self, identity: Identity, *, user: str | None = None, limit: int = paging.LIMIT, cursor: str | None = None
    ) -> Page[Group]:
        """All, or those that `user` is in."""
        identity.require(Right.SEE_PEOPLE)
        after = paging.decode(cursor)
        paging.check(limit)

        def work(tx: sa.Connection) -> list[Group]:
            user_id = finding.user(tx, user).id if user is not None else None
            return _models(tx, groups.listed(tx, user_id=user_id, after=after, limit=limit + 1))

        found = await self._ctx.store.read(work)
        return paging.page(found, limit=limit, key=lambda group: group.id, model=lambda group: group)

    async def show(self, identity: Identity, ref: str) -> Group:
        identity.require(Right.SEE_PEOPLE)
        return await self._ctx.store.read(lambda tx: _models(tx, [finding.group(tx, ref)])[0])

    async def members(
        self, identity: Identity, ref: str, *, limit: int = paging.LIMIT, cursor: str | None = None
    ) -> Page[GroupMember]:
        identity.require(Right.SEE_PEOPLE)
        after = paging.decode(cursor)
        paging.check(limit)
        rows = await self._ctx.store.read(
            lambda tx: groups.members(tx, finding.group(tx, ref).id, after=after, limit=limit + 1)
        )
        return paging.page(rows, limit=limit, key=lambda row: row.user_id, model=_member)

    async def create(self, identity: Identity, request: GroupRequest) -> Group:
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> Group:
            if groups.find(tx, request.name) is not None:
                raise _taken(request.name)
            group_id = self._ctx.ids.new_id()
            label = request.label or request.name
            quota = request.quota.applied_to(Amounts()) if request.quota is not None else Amounts()
            try:
                groups.insert(tx, id=group_id, name=request.name, label=label, quota=quota, now=self._ctx.clock.now())
            except IntegrityError as exc:
                raise _taken(request.name) from exc
            journal.note(self._ctx, tx, "group.created", f"The group {request.name} was added.", by=identity)
            if quota.limits:
                _note_quota(self._ctx, tx, request.name, quota, by=identity)
            return _models(tx, [finding.group(tx, group_id)])[0]

        return await self._ctx.store.write(work)

    async def change(self, identity: Identity, ref: str, change: GroupChange, *, if_match: int) -> Group:
        """`if_match` is the `version` that the caller looked at; raises Stale when it is no longer the newest.

        A lower quota ends nothing.
        """
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> Group:
            before = finding.group(tx, ref)
            label = before.label if change.label is None else change.label
            quota = before.quota if change.quota is None else change.quota.applied_to(before.quota)
            if not groups.change(tx, before.id, label=label, quota=quota, if_version=if_match):
                raise Stale(
                    f"The group {before.name} was changed in the meantime: it is at version {before.version}, "
                    f"you looked at {if_match}.",
                    remedy="Look at it again and repeat your change.",
                )
            if change.label is not None:
                text = f"The group {before.name} is now called {label}."
                journal.note(self._ctx, tx, "group.changed", text, by=identity)
            if quota != before.quota:
                _note_quota(self._ctx, tx, before.name, quota, by=identity)
            return _models(tx, [finding.group(tx, before.id)])[0]

        return await self._ctx.store.write(work)

    async def delete(self, identity: Identity, ref: str) -> None:
        """Its entitlements go with it, and open sessions end of all who may use their pool in no other way."""
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> None:
            group = finding.group(tx, ref)
            pool_ids = entitlements.pools_of_group(tx, group.id)
            groups.delete(tx, group.id)
            journal.note(self._ctx, tx, "group.deleted", f"The group {group.name} was deleted.", by=identity)
            release.end_unentitled(self._ctx, tx, pool_ids=pool_ids, by=identity)

        await self._ctx.store.write(work)
        self._ctx.wake()

    async def join(self, identity: Identity, ref: str, user: str) -> None:
        """They may use at once what the group may use."""
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> None:
            group, who = finding.group(tx, ref), finding.user(tx, user)
            if groups.join(tx, group_id=group.id, user_id=who.id, now=self._ctx.clock.now()):
                text = f"{who.name} was put into the group {group.name}."
                journal.note(self._ctx, tx, "group.joined", text, by=identity)

        await self._ctx.store.write(work)

    async def leave(self, identity: Identity, ref: str, user: str) -> None:
        """Their open sessions end at once in pools that they may use in no other way."""
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> None:
            group, who = finding.group(tx, ref), finding.user(tx, user)
            if groups.leave(tx, group_id=group.id, user_id=who.id):
                text = f"{who.name} was taken out of the group {group.name}."
                journal.note(self._ctx, tx, "group.left", text, by=identity)
            release.end_unentitled(self._ctx, tx, user_id=who.id, by=identity)

        await self._ctx.store.write(work)
        self._ctx.wake()


def _note_quota(ctx: Context, tx: sa.Connection, name: str, quota: Amounts, *, by: Identity) -> None:
    text = f"The quota of the group {name} was changed. {words.limited(quota)}"
    journal.note(ctx, tx, "group.quota-changed", text, by=by)


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a group called {name} already.", remedy="Choose another name.")
