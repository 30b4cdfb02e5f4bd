"""Signing in and out, and knowing who a request is from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.identity.cookies import LOGIN_LASTS
from frazil.controller.identity.secrets import csrf_of, digest
from frazil.controller.identity.throttle import BY_ADDRESS, BY_NAME, Rule, after_failure
from frazil.controller.services import journal
from frazil.controller.services import people as people_service
from frazil.controller.services.context import Context
from frazil.controller.store import logins, people
from frazil.controller.store.rows import UserRow
from frazil.model.errors import NotSignedIn, Throttled
from frazil.wire.rest import Login, LoginRequest

SLIDE_EVERY = timedelta(minutes=10)
"""A login's end is moved on at most so often, so that reading pages does not write."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`cookie` is the login cookie's value; it is shown to nobody else and kept nowhere."""

    login: Login
    cookie: str


class Logins:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def sign_in(self, request: LoginRequest, *, remote_address: str | None) -> SignedIn:
        """Raises NotSignedIn when name and password do not fit, Throttled when there were too many tries."""
        keys: list[tuple[str, Rule]] = [(f"name:{digest(request.name)}", BY_NAME)]
        if remote_address:
            keys.append((f"address:{remote_address}"[:300], BY_ADDRESS))
        user = await self._ctx.store.write(lambda tx: self._reserve(tx, keys, request.name))
        if isinstance(user, Throttled):
            raise user
        fits = await self._ctx.passwords.verify(
            user.password_hash if user is not None else None, request.password.get_secret_value()
        )
        by = Identity(
            user_id=user.id if user is not None else None,
            name=user.name if user is not None else request.name[:64],
            role="user",
            remote_address=remote_address,
        )
        if user is None or not fits:
            await self._ctx.store.write(lambda tx: self._refuse(tx, by, keys))
            raise NotSignedIn(
                "The name or the password is wrong.",
                remedy="Try again, or ask an administrator for a new password.",
            )
        return await self._ctx.store.write(lambda tx: self._begin(tx, user, by, keys))

    def _reserve(self, tx: sa.Connection, keys: list[tuple[str, Rule]], name: str) -> UserRow | Throttled | None:
        """Count the try as failed before it is looked at, so that many at once are not more than many in a row."""
        now = self._ctx.clock.now()
        states = [(key, rule, logins.throttle(tx, key)) for key, rule in keys]
        waits = [state[1] - now for _, _, state in states if state is not None and state[1] > now]
        if waits:
            seconds = max(1.0, max(waits).total_seconds())
            return Throttled(
                "There were too many sign-ins that failed.",
                remedy=f"Try again in {round(seconds)} s.",
                retry_after_s=seconds,
            )
        for key, rule, state in states:
            failures, until = after_failure(
                rule,
                failures=state[0] if state is not None else 0,
                last_failure=state[2] if state is not None else None,
                now=now,
            )
            # Whether it fails is not known yet: the last failure stays when it was, but where the count starts afresh.
            last_failure = state[2] if state is not None and failures > 1 else now
            logins.set_throttle(tx, key, failures=failures, blocked_until=until, last_failure=last_failure)
        return people.by_name(tx, name)

    def _refuse(self, tx: sa.Connection, by: Identity, keys: list[tuple[str, Rule]]) -> None:
        for key, _ in keys:
            logins.failed(tx, key, now=self._ctx.clock.now())
        journal.note(self._ctx, tx, "login.refused", "The name or the password was wrong.", by=by, outcome="refused")

    def _begin(self, tx: sa.Connection, user: UserRow, by: Identity, keys: list[tuple[str, Rule]]) -> SignedIn:
        now = self._ctx.clock.now()
        for key, _ in keys:
            state = logins.throttle(tx, key)
            if state is None or key.startswith("name:") or state[0] <= 1:
                logins.clear_throttle(tx, key)
            else:
                # This try is not counted; the address's others are: one good account must not clear them.
                logins.set_throttle(tx, key, failures=state[0] - 1, blocked_until=now, last_failure=state[2])
        cookie = self._ctx.ids.new_secret(32)
        expires_at = now + LOGIN_LASTS
        logins.purge(tx, now=now, throttles_before=now - timedelta(days=1))
        logins.insert(
            tx,
            id=self._ctx.ids.new_id(),
            secret_hash=digest(cookie),
            user_id=user.id,
            now=now,
            expires_at=expires_at,
            remote_address=by.remote_address,
        )
        journal.note(self._ctx, tx, "login", f"{user.name} signed in.", by=by)
        login = Login(user=people_service.model(tx, user), csrf_token=csrf_of(cookie), expires_at=expires_at)
        return SignedIn(login, cookie)

    async def authenticate(self, cookie: str, *, remote_address: str | None) -> Identity | None:
        """Whose login cookie this is; None when it is nobody's, or no longer."""
        now = self._ctx.clock.now()
        found = await self._ctx.store.read(lambda tx: logins.find(tx, digest(cookie), now=now))
        if found is None:
            return None
        renewed = now + LOGIN_LASTS - found.expires_at > SLIDE_EVERY
        if renewed:
            slide = partial(logins.slide, login_id=found.id, expires_at=now + LOGIN_LASTS)
            await self._ctx.store.write_if_possible(slide)
        return Identity(
            user_id=found.user.id,
            name=found.user.name,
            role=found.user.role,
            login_id=found.id,
            csrf=csrf_of(cookie),
            cookie_renewed=renewed,
            remote_address=remote_address,
        )

    async def sign_out(self, identity: Identity) -> None:
        """End this login. Open sessions stay; the same person finds them again."""
        login_id = identity.login_id
        if login_id is None:
            return

        def work(tx: sa.Connection) -> None:
            logins.delete(tx, login_id)
            journal.note(self._ctx, tx, "logout", f"{identity.name} signed out.", by=identity)

        await self._ctx.store.write(work)
