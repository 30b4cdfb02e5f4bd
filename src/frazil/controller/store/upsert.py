"""Insert or, when the key is there already, update or leave it: in one statement on both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def upsert(tx: sa.Connection, table: sa.Table, values: Mapping[str, object], *, keys: Sequence[str]) -> None:
    """`keys` are the columns of the unique key; all others of `values` are updated when the row is there."""
    rest = {name: value for name, value in values.items() if name not in keys}
    if not rest:
        insert_new(tx, table, values, keys=keys)
        return
    insert = _insert(tx, table).values(dict(values))
    tx.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=rest))


def insert_new(tx: sa.Connection, table: sa.Table, values: Mapping[str, object], *, keys: Sequence[str]) -> None:
    """A row that is there with these `keys` stays as it is."""
    tx.execute(_insert(tx, table).values(dict(values)).on_conflict_do_nothing(index_elements=list(keys)))


def upsert_all(
    tx: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]], *, keys: Sequence[str]
) -> None:
    """`upsert` for many rows, which all have the same columns and different keys."""
    if not rows:
        return
    insert = _insert(tx, table)
    rest = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    tx.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=rest), [dict(row) for row in rows])


def _insert(tx: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)
