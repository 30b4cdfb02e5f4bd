"""Who may use which pool."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.services import finding, journal, paging, release
from frazil.controller.services.context import Context
from frazil.controller.store import pools, sessions
from frazil.controller.store.rows import EntitlementRow
from frazil.model.errors import InvalidInput
from frazil.wire.rest import Entitlement, Page


def _model(row: EntitlementRow) -> Entitlement:
    return Entitlement(
        pool_id=row.pool_id,
        pool_name=row.pool_name,
        user_id=row.user_id,
        user_name=row.user_name,
        created_at=row.created_at,
    )


def _key(cursor: str | None) -> tuple[str, str] | None:
    decoded = paging.decode(cursor)
    if decoded is None:
        return None
    pool_id, _, user_id = decoded.partition("/")
    if not user_id:
        raise InvalidInput("This cursor is not one that was given out.", field="cursor")
    return pool_id, user_id


class Entitlements:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(
        self,
        identity: Identity,
        *,
        pool: str | None = None,
        user: str | None = None,
        limit: int = paging.LIMIT,
        cursor: str | None = None,
    ) -> Page[Entitlement]:
        identity.require_administrator()
        after = _key(cursor)
        paging.check(limit)

        def work(tx: sa.Connection) -> list[EntitlementRow]:
            pool_id = finding.pool(tx, pool).id if pool is not None else None
            user_id = finding.user(tx, user).id if user is not None else None
            return pools.entitlements_listed(tx, pool_id=pool_id, user_id=user_id, after=after, limit=limit + 1)

        rows = await self._ctx.store.read(work)
        return paging.page(rows, limit=limit, key=lambda row: f"{row.pool_id}/{row.user_id}", model=_model)

    async def grant(self, identity: Identity, pool: str, user: str) -> None:
        identity.require_administrator()

        def work(tx: sa.Connection) -> None:
            found, who = finding.pool(tx, pool), finding.user(tx, user)
            if pools.entitle(tx, pool_id=found.id, user_id=who.id, now=self._ctx.clock.now()):
                text = f"{who.name} may use the pool {found.name}."
                journal.note(self._ctx, tx, "entitlement.granted", text, by=identity)

        await self._ctx.store.write(work)

    async def revoke(self, identity: Identity, pool: str, user: str) -> None:
        """Their open session in the pool ends at once."""
        identity.require_administrator()

        def work(tx: sa.Connection) -> None:
            found, who = finding.pool(tx, pool), finding.user(tx, user)
            if pools.disentitle(tx, pool_id=found.id, user_id=who.id):
                text = f"{who.name} may no longer use the pool {found.name}."
                journal.note(self._ctx, tx, "entitlement.revoked", text, by=identity)
            if who.role == "administrator":
                return
            for session in sessions.open_ones(tx, user_id=who.id, pool_id=found.id):
                reason = f"{who.name} may no longer use the pool {found.name}."
                release.end_session(self._ctx, tx, session, reason=reason, by=identity)

        await self._ctx.store.write(work)
        self._ctx.wake()
