"""Queries of login cookies, API tokens, the set-up token and throttles: what proves who is calling."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import people
from frazil.controller.store.rows import LoginRow, TokenRow, UserRow
from frazil.controller.store.tables import TENANT, api_tokens, logins, setup_token, throttles, users
from frazil.controller.store.upsert import upsert


def insert(
    tx: sa.Connection,
    *,
    id: str,
    secret_hash: str,
    user_id: str,
    now: datetime,
    expires_at: datetime,
    remote_address: str | None,
) -> None:
    tx.execute(
        logins.insert().values(
            id=id,
            tenant_id=TENANT,
            secret_hash=secret_hash,
            user_id=user_id,
            created_at=now,
            expires_at=expires_at,
            remote_address=remote_address,
        )
    )


def find(tx: sa.Connection, secret_hash: str, *, now: datetime) -> LoginRow | None:
    """The living login of this cookie."""
    query = (
        sa.select(users, logins.c.id.label("login_id"), logins.c.expires_at)
        .join(logins, logins.c.user_id == users.c.id)
        .where(logins.c.secret_hash == secret_hash, logins.c.expires_at > now)
    )
    found = tx.execute(query).mappings().first()
    if found is None:
        return None
    return LoginRow(id=found["login_id"], user=people.row(found), expires_at=found["expires_at"])


def slide(tx: sa.Connection, login_id: str, *, expires_at: datetime) -> None:
    tx.execute(logins.update().where(logins.c.id == login_id).values(expires_at=expires_at))


def delete(tx: sa.Connection, login_id: str) -> None:
    tx.execute(logins.delete().where(logins.c.id == login_id))


def delete_of_user(tx: sa.Connection, user_id: str, *, but: str | None = None) -> None:
    """End all logins of a user, `but` one."""
    query = logins.delete().where(logins.c.user_id == user_id)
    if but is not None:
        query = query.where(logins.c.id != but)
    tx.execute(query)


def purge(tx: sa.Connection, *, now: datetime, throttles_before: datetime) -> None:
    """Forget what no longer matters: ended logins, ended tokens, old throttles."""
    tx.execute(logins.delete().where(logins.c.expires_at <= now))
    tx.execute(api_tokens.delete().where(api_tokens.c.expires_at <= now))
    tx.execute(throttles.delete().where(throttles.c.updated_at < throttles_before, throttles.c.blocked_until < now))


def insert_token(
    tx: sa.Connection, *, id: str, secret_hash: str, user_id: str, name: str, now: datetime, expires_at: datetime
) -> None:
    tx.execute(
        api_tokens.insert().values(
            id=id,
            tenant_id=TENANT,
            secret_hash=secret_hash,
            user_id=user_id,
            name=name,
            created_at=now,
            expires_at=expires_at,
        )
    )


def _token(found: sa.RowMapping) -> TokenRow:
    return TokenRow(
        id=found["id"],
        user_id=found["user_id"],
        name=found["name"],
        created_at=found["created_at"],
        expires_at=found["expires_at"],
        last_used_at=found["last_used_at"],
    )


def find_token(tx: sa.Connection, secret_hash: str, *, now: datetime) -> tuple[TokenRow, UserRow] | None:
    token = tx.execute(
        sa.select(api_tokens).where(api_tokens.c.secret_hash == secret_hash, api_tokens.c.expires_at > now)
    )
    found = token.mappings().first()
    if found is None:
        return None
    user = people.find(tx, found["user_id"])
    return None if user is None else (_token(found), user)


def tokens_of(tx: sa.Connection, user_id: str, *, after: str | None, limit: int) -> list[TokenRow]:
    query = sa.select(api_tokens).where(api_tokens.c.user_id == user_id).order_by(api_tokens.c.id).limit(limit)
    if after is not None:
        query = query.where(api_tokens.c.id > after)
    return [_token(found) for found in tx.execute(query).mappings().all()]


def token_used(tx: sa.Connection, token_id: str, *, now: datetime) -> None:
    tx.execute(api_tokens.update().where(api_tokens.c.id == token_id).values(last_used_at=now))


def delete_token(tx: sa.Connection, token_id: str, *, user_id: str) -> bool:
    query = api_tokens.delete().where(api_tokens.c.id == token_id, api_tokens.c.user_id == user_id)
    return tx.execute(query).rowcount == 1


def delete_tokens_of_user(tx: sa.Connection, user_id: str) -> None:
    tx.execute(api_tokens.delete().where(api_tokens.c.user_id == user_id))


def lives(tx: sa.Connection, login_id: str, *, now: datetime) -> bool:
    return (
        tx.execute(sa.select(logins.c.id).where(logins.c.id == login_id, logins.c.expires_at > now)).first() is not None
    )


def token_lives(tx: sa.Connection, token_id: str, *, now: datetime) -> bool:
    query = sa.select(api_tokens.c.id).where(api_tokens.c.id == token_id, api_tokens.c.expires_at > now)
    return tx.execute(query).first() is not None


def replace_setup_token(tx: sa.Connection, secret_hash: str, *, now: datetime) -> None:
    tx.execute(setup_token.delete())
    tx.execute(setup_token.insert().values(secret_hash=secret_hash, tenant_id=TENANT, created_at=now))


def has_setup_token(tx: sa.Connection, secret_hash: str) -> bool:
    query = sa.select(setup_token.c.secret_hash).where(setup_token.c.secret_hash == secret_hash)
    return tx.execute(query).first() is not None


def take_setup_token(tx: sa.Connection, secret_hash: str) -> bool:
    """Use up the token; whether it was good."""
    return tx.execute(setup_token.delete().where(setup_token.c.secret_hash == secret_hash)).rowcount == 1


def throttle(tx: sa.Connection, key: str) -> tuple[int, datetime, datetime] | None:
    """(failures, blocked until, last failure) of this key."""
    query = sa.select(throttles.c.failures, throttles.c.blocked_until, throttles.c.updated_at)
    found = tx.execute(query.where(throttles.c.key == key)).first()
    return None if found is None else (found[0], found[1], found[2])


def set_throttle(
    tx: sa.Connection, key: str, *, failures: int, blocked_until: datetime, last_failure: datetime
) -> None:
    values = {
        "key": key,
        "tenant_id": TENANT,
        "failures": failures,
        "blocked_until": blocked_until,
        "updated_at": last_failure,
    }
    upsert(tx, throttles, values, keys=["key"])


def failed(tx: sa.Connection, key: str, *, now: datetime) -> None:
    """The last failure of this key was now."""
    tx.execute(throttles.update().where(throttles.c.key == key).values(updated_at=now))


def clear_throttle(tx: sa.Connection, key: str) -> None:
    tx.execute(throttles.delete().where(throttles.c.key == key))
