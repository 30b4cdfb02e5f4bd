"""Finding a text in a column whatever its case, in any script, on either database."""

from __future__ import annotations

import sqlalchemy as sa

FUNCTION = "frazil_casefold"
"""SQLite knows the case of ASCII letters only: each connection gets this function (`engine`)."""
_COLLATION = "und-x-icu"
"""Of PostgreSQL: the case of every script, whatever locale the database was made with."""


def contains(tx: sa.Connection, column: sa.Column[str], text: str) -> sa.ColumnElement[bool]:
    """Whether `column` has `text` in it; `%` and `_` are themselves."""
    if tx.dialect.name != "sqlite":
        return column.collate(_COLLATION).icontains(text, autoescape=True)
    if text.isascii():
        return column.contains(text, autoescape=True)  # SQLite's LIKE takes no notice of the case of these
    folded: sa.ColumnElement[str] = sa.func.frazil_casefold(column, type_=sa.String())
    return folded.contains(text.casefold(), autoescape=True)


def casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()
