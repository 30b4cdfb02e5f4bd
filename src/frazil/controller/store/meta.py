"""Facts about the database itself."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.store.tables import meta
from frazil.controller.store.upsert import insert_new

_GENERATION = "restore_generation"
_SIGN_ON_KEY = "sign_on_key"


def restore_generation(tx: sa.Connection) -> int:
    """How often this database was restored from a backup, counted from 1; the first half of every epoch."""
    found = tx.execute(sa.select(meta.c.value).where(meta.c.key == _GENERATION)).scalar()
    return 1 if found is None else int(found)


def newest_generation(otherwise: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """That number in a statement; `otherwise` when it is in no row."""
    query = sa.select(sa.cast(meta.c.value, sa.Integer)).where(meta.c.key == _GENERATION)
    return sa.func.coalesce(query.scalar_subquery(), otherwise)


def raise_restore_generation(tx: sa.Connection, *, above: int = 0) -> int:
    """After a restore: every placement from now on is newer than any that the backup did not know, and than those of
    the generation `above`, which was the database's before it."""
    raised = max(restore_generation(tx), above) + 1
    updated = tx.execute(meta.update().where(meta.c.key == _GENERATION).values(value=str(raised))).rowcount
    if updated == 0:
        tx.execute(meta.insert().values(key=_GENERATION, value=str(raised)))
    return raised


def sign_on_key(tx: sa.Connection) -> str | None:
    """What tokens that sign a person on in a desktop are derived from; None before the first session was opened."""
    return tx.execute(sa.select(meta.c.value).where(meta.c.key == _SIGN_ON_KEY)).scalar()


def ensure_sign_on_key(tx: sa.Connection, secret: str) -> None:
    """Keep `secret` as that key unless there is one."""
    if sign_on_key(tx) is None:
        insert_new(tx, meta, {"key": _SIGN_ON_KEY, "value": secret}, keys=["key"])
