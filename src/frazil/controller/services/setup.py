"""The first administrator: made through a link that works once."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.identity.secrets import digest
from frazil.controller.services import people as people_service
from frazil.controller.services.context import Context
from frazil.controller.store import logins, people
from frazil.model.errors import Conflict, Refused
from frazil.wire.rest import SetupLink, SetupRequest, User, UserRequest

_DONE = Conflict("This installation has an administrator already.", remedy="Sign in; they can add further users.")


class Setup:
    def __init__(self, ctx: Context, people_: people_service.People) -> None:
        self._ctx = ctx
        self._people = people_

    async def make_link(self, identity: Identity) -> SetupLink:
        """For this machine's root, until an administrator exists. An older link stops working."""
        identity.require(Right.CHANGE_PEOPLE)
        token = self._ctx.ids.new_secret(24)

        def work(tx: sa.Connection) -> None:
            _refuse_when_done(tx)
            logins.replace_setup_token(tx, digest(token), now=self._ctx.clock.now())

        await self._ctx.store.write(work)
        return SetupLink(path=f"/setup/{token}")

    async def is_open(self, token: str) -> bool:
        """Whether this link's token would be accepted now."""
        return await self._ctx.store.read(
            lambda tx: people.administrators(tx) == 0 and logins.has_setup_token(tx, digest(token))
        )

    async def first_administrator(self, request: SetupRequest, *, remote_address: str | None) -> User:
        if not await self.is_open(request.token):
            await self._ctx.store.read(_refuse_when_done)
            raise _bad_link()
        password_hash = await self._ctx.passwords.hash(request.password.get_secret_value())
        asked = UserRequest(
            name=request.name, password=request.password, display_name=request.display_name, role="administrator"
        )
        by = Identity(user_id=None, name="set-up link", role="administrator", remote_address=remote_address)

        def work(tx: sa.Connection) -> User:
            _refuse_when_done(tx)
            if not logins.take_setup_token(tx, digest(request.token)):
                raise _bad_link()
            return people_service.model(tx, self._people.add(tx, asked, password_hash=password_hash, by=by))

        return await self._ctx.store.write(work)


def _refuse_when_done(tx: sa.Connection) -> None:
    if people.administrators(tx) > 0:
        raise Conflict(_DONE.what, remedy=_DONE.remedy)


def _bad_link() -> Refused:
    return Refused("This set-up link does not work, or no longer.", remedy="Run `frazil setup-link` for a new one.")
