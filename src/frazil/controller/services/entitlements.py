"""Who may use which pool: users by themselves, and groups with all who are in them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.services import finding, journal, paging, release
from frazil.controller.services.context import Context
from frazil.controller.store import entitlements
from frazil.controller.store.rows import EntitlementRow
from frazil.model.errors import InvalidInput
from frazil.wire.rest import Entitlement, Page


def _model(row: EntitlementRow) -> Entitlement:
    of_user = row.kind == "user"
    return Entitlement(
        pool_id=row.pool_id,
        pool_name=row.pool_name,
        user_id=row.subject_id if of_user else None,
        user_name=row.subject_name if of_user else None,
        group_id=None if of_user else row.subject_id,
        group_name=None if of_user else row.subject_name,
        created_at=row.created_at,
    )


def _key(cursor: str | None) -> Sequence[str] | None:
    decoded = paging.decode(cursor)
    if decoded is None:
        return None
    parts = decoded.split("/")
    if len(parts) != 3:
        raise InvalidInput("This cursor is not one that was given out.", field="cursor")
    return parts


class Entitlements:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(
        self,
        identity: Identity,
        *,
        pool: str | None = None,
        user: str | None = None,
        group: str | None = None,
        limit: int = paging.LIMIT,
        cursor: str | None = None,
    ) -> Page[Entitlement]:
        """Of a user: what they may use by themselves and through their groups."""
        identity.require(Right.SEE_POOLS)
        after = _key(cursor)
        paging.check(limit)

        def work(tx: sa.Connection) -> list[EntitlementRow]:
            return entitlements.listed(
                tx,
                pool_id=finding.pool(tx, pool).id if pool is not None else None,
                user_id=finding.user(tx, user).id if user is not None else None,
                group_id=finding.group(tx, group).id if group is not None else None,
                after=after,
                limit=limit + 1,
            )

        rows = await self._ctx.store.read(work)
        return paging.page(
            rows, limit=limit, key=lambda row: f"{row.pool_id}/{row.kind}/{row.subject_id}", model=_model
        )

    async def grant(self, identity: Identity, pool: str, user: str) -> None:
        identity.require(Right.CHANGE_POOLS)

        def work(tx: sa.Connection) -> None:
            found, who = finding.pool(tx, pool), finding.user(tx, user)
            if entitlements.grant(tx, pool_id=found.id, user_id=who.id, now=self._ctx.clock.now()):
                text = f"{who.name} may use the pool {found.name}."
                journal.note(self._ctx, tx, "entitlement.granted", text, by=identity)

        await self._ctx.store.write(work)

    async def revoke(self, identity: Identity, pool: str, user: str) -> None:
        """Their open session in the pool ends at once, unless a group of theirs may still use it."""
        identity.require(Right.CHANGE_POOLS)

        def work(tx: sa.Connection) -> None:
            found, who = finding.pool(tx, pool), finding.user(tx, user)
            if entitlements.revoke(tx, pool_id=found.id, user_id=who.id):
                text = f"{who.name} may no longer use the pool {found.name}."
                journal.note(self._ctx, tx, "entitlement.revoked", text, by=identity)
            release.end_unentitled(self._ctx, tx, user_id=who.id, pool_ids=[found.id], by=identity)

        await self._ctx.store.write(work)
        self._ctx.wake()

    async def grant_group(self, identity: Identity, pool: str, group: str) -> None:
        """For all who are in it, now and later."""
        identity.require(Right.CHANGE_POOLS)

        def work(tx: sa.Connection) -> None:
            found, who = finding.pool(tx, pool), finding.group(tx, group)
            if entitlements.grant_group(tx, pool_id=found.id, group_id=who.id, now=self._ctx.clock.now()):
                text = f"The group {who.name} may use the pool {found.name}."
                journal.note(self._ctx, tx, "entitlement.granted", text, by=identity)

        await self._ctx.store.write(work)

    async def revoke_group(self, identity: Identity, pool: str, group: str) -> None:
        """Open sessions in the pool end at once of all who may use it in no other way."""
        identity.require(Right.CHANGE_POOLS)

        def work(tx: sa.Connection) -> None:
            found, who = finding.pool(tx, pool), finding.group(tx, group)
            if entitlements.revoke_group(tx, pool_id=found.id, group_id=who.id):
                text = f"The group {who.name} may no longer use the pool {found.name}."
                journal.note(self._ctx, tx, "entitlement.revoked", text, by=identity)
            release.end_unentitled(self._ctx, tx, pool_ids=[found.id], by=identity)

        await self._ctx.store.write(work)
        self._ctx.wake()
