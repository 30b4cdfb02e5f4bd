"""Queries of tokens for new hosts, and of the keys that were certified for hosts."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store.tables import TENANT, host_invitations, host_keys, hosts


def invite(tx: sa.Connection, secret_hash: str, *, by: str, now: datetime, expires_at: datetime) -> None:
    """A token for one new host, until `expires_at`. Those that are over go."""
    tx.execute(host_invitations.delete().where(host_invitations.c.expires_at <= now))
    tx.execute(
        host_invitations.insert().values(
            secret_hash=secret_hash, tenant_id=TENANT, created_by=by, created_at=now, expires_at=expires_at
        )
    )


def take_invitation(tx: sa.Connection, secret_hash: str, key_sha256: str, *, host_id: str, now: datetime) -> str | None:
    """Use a token up for `host_id`; the host that it was used for. None when there is no such token to use.

    Who comes again with the same key is the same host: the answer may have been lost on the way.
    """
    one = host_invitations.c
    at = sa.and_(one.secret_hash == secret_hash, one.expires_at > now)
    tx.execute(
        host_invitations.update().where(at, one.key_sha256.is_(None)).values(host_id=host_id, key_sha256=key_sha256)
    )
    return tx.execute(sa.select(one.host_id).where(at, one.key_sha256 == key_sha256)).scalar()


def add(tx: sa.Connection, key_sha256: str, *, host_id: str, now: datetime, expires_at: datetime) -> None:
    """A key was certified for a host. Those whose certificates are over go."""
    tx.execute(host_keys.delete().where(host_keys.c.expires_at <= now))
    known = tx.execute(
        host_keys.update().where(host_keys.c.key_sha256 == key_sha256).values(expires_at=expires_at)
    ).rowcount
    if not known:
        values = {"key_sha256": key_sha256, "tenant_id": TENANT, "host_id": host_id, "created_at": now}
        tx.execute(host_keys.insert().values(**values, expires_at=expires_at))


def is_good(tx: sa.Connection, key_sha256: str, *, host_id: str) -> bool:
    """Whether the key was certified for this host, and not revoked since."""
    query = sa.select(host_keys.c.host_id).where(host_keys.c.key_sha256 == key_sha256, host_keys.c.revoked_at.is_(None))
    return tx.execute(query).scalar() == host_id


def has_lost_trust(tx: sa.Connection, host_id: str, *, now: datetime) -> bool:
    """Whether it is a host on another machine that has no good key any more, so that it may join again as itself."""
    one = host_keys.c
    good = sa.select(one.key_sha256).where(one.host_id == host_id, one.revoked_at.is_(None), one.expires_at > now)
    known = tx.execute(sa.select(hosts.c.address).where(hosts.c.id == host_id)).scalar()
    return bool(known) and tx.execute(good.limit(1)).first() is None


def trusted() -> sa.ColumnElement[bool]:
    """Of `hosts`: on the controller's machine, or with a good key."""
    good = sa.select(host_keys.c.host_id).where(host_keys.c.revoked_at.is_(None))
    return sa.or_(hosts.c.address == "", hosts.c.id.in_(good))


def is_trusted(tx: sa.Connection, host_id: str) -> bool:
    """Whether it is a host on the controller's machine, or has a good key."""
    return tx.execute(sa.select(hosts.c.id).where(hosts.c.id == host_id, trusted())).first() is not None


def revoked_since(tx: sa.Connection, since: datetime) -> list[str]:
    """Hosts of which a key was revoked at or after `since`, and that have no good one now."""
    query = sa.select(host_keys.c.host_id).where(host_keys.c.revoked_at >= since).distinct()
    lately = list(tx.execute(query).scalars())
    if not lately:
        return []  # Almost always: this is asked after every commit.
    known = sa.select(hosts.c.id).where(hosts.c.id.in_(lately), sa.not_(trusted()))
    return list(tx.execute(known.order_by(hosts.c.id)).scalars())


def revoke(tx: sa.Connection, host_id: str, *, now: datetime) -> int:
    """No key of the host's is good any more; how many were."""
    query = host_keys.update().where(host_keys.c.host_id == host_id, host_keys.c.revoked_at.is_(None))
    return tx.execute(query.values(revoked_at=now)).rowcount


def good(tx: sa.Connection, *, now: datetime) -> frozenset[str]:
    """All keys whose certificates are valid, and that were not revoked."""
    query = sa.select(host_keys.c.key_sha256).where(host_keys.c.revoked_at.is_(None), host_keys.c.expires_at > now)
    return frozenset(tx.execute(query).scalars())


def revoked(tx: sa.Connection) -> frozenset[str]:
    """All keys that were revoked, and whose certificates are not over yet."""
    return frozenset(tx.execute(sa.select(host_keys.c.key_sha256).where(host_keys.c.revoked_at.is_not(None))).scalars())
