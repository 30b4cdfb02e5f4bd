"""Users: who they are and what they may do."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from frazil.controller.identity import Identity, Right
from frazil.controller.services import finding, journal, paging, recycling, release, words
from frazil.controller.services.context import Context
from frazil.controller.store import desktops as desktop_rows
from frazil.controller.store import logins, people, quotas, sessions
from frazil.controller.store.rows import UserRow
from frazil.model.errors import Conflict, NameTaken, Refused, Stale
from frazil.model.policy import Policy
from frazil.model.quota import Amounts
from frazil.wire.policy import PolicyField
from frazil.wire.quota import AmountsField
from frazil.wire.rest import Page, PasswordRequest, User, UserChange, UserRequest


def models(tx: sa.Connection, rows: Sequence[UserRow]) -> list[User]:
    used = quotas.used_by_users(tx, [row.id for row in rows])
    return [_model(row, used[row.id]) for row in rows]


def model(tx: sa.Connection, row: UserRow) -> User:
    return models(tx, [row])[0]


def _model(row: UserRow, used: Amounts) -> User:
    return User(
        id=row.id,
        name=row.name,
        display_name=row.display_name,
        role=row.role,
        policy=PolicyField.of(row.policy),
        quota=AmountsField.of(row.quota),
        used=AmountsField.of(used),
        version=row.version,
        created_at=row.created_at,
    )


class People:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def me(self, identity: Identity) -> User:
        user_id = identity.require_account()
        return await self._ctx.store.read(lambda tx: model(tx, finding.user(tx, user_id)))

    async def list_for(self, identity: Identity, *, limit: int = paging.LIMIT, cursor: str | None = None) -> Page[User]:
        identity.require(Right.SEE_PEOPLE)
        after = paging.decode(cursor)
        paging.check(limit)
        found = await self._ctx.store.read(lambda tx: models(tx, people.listed(tx, after=after, limit=limit + 1)))
        return paging.page(found, limit=limit, key=lambda user: user.id, model=lambda user: user)

    async def show(self, identity: Identity, ref: str) -> User:
        if ref not in (identity.user_id, identity.name):
            identity.require(Right.SEE_PEOPLE)
        return await self._ctx.store.read(lambda tx: model(tx, finding.user(tx, ref)))

    async def create(self, identity: Identity, request: UserRequest) -> User:
        identity.require(Right.CHANGE_PEOPLE)
        identity.require_covers(request.role, f"To give the role {request.role}")
        password_hash = await self._ctx.passwords.hash(request.password.get_secret_value())

        def work(tx: sa.Connection) -> User:
            return model(tx, self.add(tx, request, password_hash=password_hash, by=identity))

        return await self._ctx.store.write(work)

    def add(self, tx: sa.Connection, request: UserRequest, *, password_hash: str, by: Identity | None) -> UserRow:
        """Insert a user in a running transaction; raises NameTaken."""
        if people.by_name(tx, request.name) is not None:
            raise _taken(request.name)
        user_id = self._ctx.ids.new_id()
        try:
            people.insert(
                tx,
                id=user_id,
                name=request.name,
                display_name=request.display_name or request.name,
                role=request.role,
                password_hash=password_hash,
                policy=request.policy.applied_to(Policy()) if request.policy is not None else None,
                quota=request.quota.applied_to(Amounts()) if request.quota is not None else None,
                now=self._ctx.clock.now(),
            )
        except IntegrityError as exc:
            raise _taken(request.name) from exc
        journal.note(self._ctx, tx, "user.created", f"The {request.role} {request.name} was added.", by=by)
        user = finding.user(tx, user_id)
        if user.policy != Policy():
            _note_policy(self._ctx, tx, user, by=by)
        if user.quota.limits:
            _note_quota(self._ctx, tx, user, by=by)
        return user

    async def change(self, identity: Identity, ref: str, change: UserChange, *, if_match: int) -> User:
        """`if_match` is the `version` that the caller looked at; raises Stale when it is no longer the newest.

        A new role holds with the next call of theirs. Their open sessions follow a new policy at once, and end where
        it was the role that let them use the pool. A lower quota ends nothing.
        """
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> User:
            before = finding.user(tx, ref)
            quota = before.quota if change.quota is None else change.quota.applied_to(before.quota)
            policy = before.policy if change.policy is None else change.policy.applied_to(before.policy)
            role = before.role if change.role is None else change.role
            if role != before.role:
                for one in (before.role, role):
                    identity.require_covers(one, f"To change the role {before.role} to {role}")
                self._keep_an_administrator(tx, before)
            now = self._ctx.clock.now()
            if not people.change(tx, before.id, policy=policy, quota=quota, role=role, if_version=if_match, now=now):
                raise Stale(
                    f"The user {before.name} was changed in the meantime: it is at version {before.version}, "
                    f"you looked at {if_match}.",
                    remedy="Look at it again and repeat your change.",
                )
            after = finding.user(tx, before.id)
            if after.policy != before.policy:
                _note_policy(self._ctx, tx, after, by=identity)
            if after.quota != before.quota:
                _note_quota(self._ctx, tx, after, by=identity)
            if after.role != before.role:
                text = f"The role of {after.name} was changed from {before.role} to {after.role}."
                journal.note(self._ctx, tx, "user.role-changed", text, by=identity)
                release.end_unentitled(self._ctx, tx, user_id=after.id, by=identity)
            return model(tx, after)

        changed = await self._ctx.store.write(work)
        self._ctx.wake()
        return changed

    async def set_password(self, identity: Identity, ref: str, request: PasswordRequest) -> None:
        """A user sets their own, giving the current one. Other logins of theirs end.

        Who may do so sets that of others, if they may do all that those may; the others' API tokens end too, since
        whoever knew the password may have made some.
        """
        target = await self._ctx.store.read(lambda tx: self._target(tx, identity, ref))
        own = target.id == identity.user_id
        if own:
            current = request.current.get_secret_value() if request.current is not None else ""
            if not await self._ctx.passwords.verify(target.password_hash, current):
                raise Refused("The current password is wrong.", remedy="Give the password that you have now.")
        password_hash = await self._ctx.passwords.hash(request.password.get_secret_value())

        def work(tx: sa.Connection) -> None:
            self._target(tx, identity, target.id)
            people.set_password(tx, target.id, password_hash)
            logins.delete_of_user(tx, target.id, but=identity.login_id if own else None)
            if not own:
                logins.delete_tokens_of_user(tx, target.id)
            journal.note(self._ctx, tx, "user.password", f"The password of {target.name} was changed.", by=identity)

        await self._ctx.store.write(work)

    def _target(self, tx: sa.Connection, identity: Identity, ref: str) -> UserRow:
        """Whose password the caller may set. Raises Refused."""
        if identity.user_id is not None and ref in (identity.user_id, identity.name):
            return finding.user(tx, identity.user_id)
        identity.require(Right.SET_PASSWORDS)
        user = finding.user(tx, ref)
        identity.require_covers(user.role, f"To set the password of {user.name}")
        return user

    def _keep_an_administrator(self, tx: sa.Connection, user: UserRow) -> None:
        """Raise Conflict when this user is the only administrator. Others who do the same at once wait here."""
        if user.role == "administrator" and people.lock_administrators(tx) == {user.id}:
            raise Conflict(f"{user.name} is the only administrator.", remedy="Add another administrator first.")

    async def delete(self, identity: Identity, ref: str) -> None:
        """The user's sessions end and their desktops go, or into the recycle bin."""
        identity.require(Right.CHANGE_PEOPLE)

        def work(tx: sa.Connection) -> None:
            user = finding.user(tx, ref)
            quotas.hold(tx, user.id)  # whoever is being given something has it, or comes too late
            self._keep_an_administrator(tx, user)
            for session in sessions.open_ones(tx, user_id=user.id):
                release.end_session(self._ctx, tx, session, reason="The user was deleted.", by=identity)
            for desktop in desktop_rows.listed(tx, user_id=user.id):
                until = recycling.delete(self._ctx, tx, desktop, finding.pool(tx, desktop.pool_id))
                desktop_rows.unassign(tx, desktop.id)
                if until is not None:
                    text = f"The desktop {desktop.name} {recycling.told(until)}."
                    journal.note(self._ctx, tx, "desktop.delete", text, by=identity, desktop_id=desktop.id)
            people.delete(tx, user.id)
            journal.note(self._ctx, tx, "user.deleted", f"The user {user.name} was deleted.", by=identity)

        await self._ctx.store.write(work)
        self._ctx.wake()


def _note_policy(ctx: Context, tx: sa.Connection, user: UserRow, *, by: Identity | None) -> None:
    text = f"What may pass for {user.name} was changed. {words.forbidden(user.policy)}"
    journal.note(ctx, tx, "user.policy-changed", text, by=by)


def _note_quota(ctx: Context, tx: sa.Connection, user: UserRow, *, by: Identity | None) -> None:
    text = f"The quota of {user.name} was changed. {words.limited(user.quota)}"
    journal.note(ctx, tx, "user.quota-changed", text, by=by)


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a user called {name} already.", remedy="Choose another name.")
