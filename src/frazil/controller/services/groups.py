"""Groups: users who are entitled to pools together."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from frazil.controller.identity import Identity, Right
from frazil.controller.services import finding, journal, paging, release
from frazil.controller.services.context import Context
from frazil.controller.store import entitlements, groups
from frazil.controller.store.rows import GroupRow, MemberRow
from frazil.model.errors import NameTaken, Stale
from frazil.wire.rest import Group, GroupChange, GroupMember, GroupRequest, Page


def _model(row: GroupRow) -> Group:
    return Group(
        id=row.id,
        name=row.name,
        label=row.label,
        members=row.members,
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

        def work(tx: sa.Connection) -> list[GroupRow]:
            user_id = finding.user(tx, user).id if user is not None else None
            return groups.listed(tx, user_id=user_id, after=after, limit=limit + 1)

        rows = await self._ctx.store.read(work)
        return paging.page(rows, limit=limit, key=lambda row: row.id, model=_model)

    async def show(self, identity: Identity, ref: str) -> Group:
        identity.require(Right.SEE_PEOPLE)
        return _model(await self._ctx.store.read(lambda tx: finding.group(tx, ref)))

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

        def work(tx: sa.Connection) -> GroupRow:
            if groups.find(tx, request.name) is not None:
                raise _taken(request.name)
            group_id = self._ctx.ids.new_id()
            label = request.label or request.name
            try:
                groups.insert(tx, id=group_id, name=request.name, label=label, now=self._ctx.clock.now())
            except IntegrityError as exc:
                raise _taken(request.name) from exc
            journal.note(self._ctx, tx, "group.created", f"The group {request.name} was added.", by=identity)
            return finding.group(tx, group_id)

        return _model(await self._ctx.store.write(work))

    async def change(self, identity: Identity, ref: str, change: GroupChange, *, if_match: int) -> Group:
        """`if_match` is the `version` that the caller looked at; raises Stale when it is no longer the newest."""
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> GroupRow:
            before = finding.group(tx, ref)
            label = before.label if change.label is None else change.label
            if not groups.change(tx, before.id, label=label, if_version=if_match):
                raise Stale(
                    f"The group {before.name} was changed in the meantime: it is at version {before.version}, "
                    f"you looked at {if_match}.",
                    remedy="Look at it again and repeat your change.",
                )
            journal.note(self._ctx, tx, "group.changed", f"The group {before.name} is now called {label}.", by=identity)
            return finding.group(tx, before.id)

        return _model(await self._ctx.store.write(work))

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


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a group called {name} already.", remedy="Choose another name.")
