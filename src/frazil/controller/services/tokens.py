"""API tokens: for programs, in their owner's name and with their owner's rights."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.identity.secrets import digest
from frazil.controller.services import journal, paging
from frazil.controller.services.context import Context
from frazil.controller.store import logins
from frazil.controller.store.rows import TokenRow
from frazil.model.errors import NotFound
from frazil.wire.rest import ApiToken, NewApiToken, Page, TokenRequest

PREFIX = "frz_"
USED_EVERY = timedelta(minutes=1)


def _model(row: TokenRow) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )


class Tokens:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(
        self, identity: Identity, *, limit: int = paging.LIMIT, cursor: str | None = None
    ) -> Page[ApiToken]:
        """The caller's own."""
        user_id = identity.require_account()
        after = paging.decode(cursor)
        paging.check(limit)
        rows = await self._ctx.store.read(lambda tx: logins.tokens_of(tx, user_id, after=after, limit=limit + 1))
        return paging.page(rows, limit=limit, key=lambda row: row.id, model=_model)

    async def create(self, identity: Identity, request: TokenRequest) -> NewApiToken:
        user_id = identity.require_account()
        now = self._ctx.clock.now()
        token_id, secret = self._ctx.ids.new_id(), PREFIX + self._ctx.ids.new_secret(32)
        expires_at = now + timedelta(seconds=request.expires_in_s)

        def work(tx: sa.Connection) -> None:
            logins.insert_token(
                tx,
                id=token_id,
                secret_hash=digest(secret),
                user_id=user_id,
                name=request.name,
                now=now,
                expires_at=expires_at,
            )
            journal.note(self._ctx, tx, "token.created", f"An API token was made: {request.name}.", by=identity)

        await self._ctx.store.write(work)
        return NewApiToken(
            id=token_id, name=request.name, created_at=now, expires_at=expires_at, last_used_at=None, token=secret
        )

    async def delete(self, identity: Identity, token_id: str) -> None:
        user_id = identity.require_account()

        def work(tx: sa.Connection) -> None:
            if not logins.delete_token(tx, token_id, user_id=user_id):
                raise NotFound("You have no such API token.", remedy="See the list of your tokens.")
            journal.note(self._ctx, tx, "token.deleted", "An API token was deleted.", by=identity)

        await self._ctx.store.write(work)

    async def authenticate(self, token: str, *, remote_address: str | None) -> Identity | None:
        """Whose token this is; None when it is nobody's, or no longer."""
        now = self._ctx.clock.now()
        found = await self._ctx.store.read(lambda tx: logins.find_token(tx, digest(token), now=now))
        if found is None:
            return None
        row, user = found
        if row.last_used_at is None or now - row.last_used_at > USED_EVERY:
            await self._ctx.store.write_if_possible(partial(logins.token_used, token_id=row.id, now=now))
        return Identity(user_id=user.id, name=user.name, role=user.role, token_id=row.id, remote_address=remote_address)
