"""All that a database holds as lines of text, and back: the same from and for SQLite and PostgreSQL.

::

    {"frazil_database": 1, "revision": "0016"}      the schema's, by which the rows are to be read
    ["users", {"id": "…", "created_at": "…", …}]    a row, its table first; times are ISO 8601 in UTC
    {"rows": 1}                                     the last line: what was cut short lacks it

Tables are read as the database describes them, so that one of an older version can be saved too. Who leads is not
saved: it is nothing that a restored database could know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from frazil.controller.store import engine, leader, migrate
from frazil.model.errors import Conflict, InvalidInput

FORMAT = 1
_MARK = "frazil_database"
_AT_ONCE = 500
"""So many rows are written, or read ahead, together."""
_NOT_SAVED = ("alembic_version", "leaders")
_DAMAGED = "The backup is damaged: "
_OTHER_BACKUP = "Take another backup; nothing was changed."


def dump(tx: sa.Connection) -> Iterator[str]:
    """The lines of a database, all of one moment. Of one with no tables in it there are none."""
    revision = MigrationContext.configure(tx).get_current_revision()
    if revision is None:
        return
    yield json.dumps({_MARK: FORMAT, "revision": revision})
    rows = 0
    for table in _tables(tx):
        query = sa.select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_AT_ONCE)
        for found in tx.execute(query).mappings():
            yield json.dumps([table.name, {name: _plain(value) for name, value in found.items()}], ensure_ascii=False)
            rows += 1
    yield json.dumps({"rows": rows})


def load(tx: sa.Connection, lines: Iterable[str]) -> int:
    """Put what the lines tell in the place of all that the database holds; how many rows.

    Raises InvalidInput for lines that were not written by `dump` or are of a newer version, Conflict while a
    controller works on this database. The caller undoes all of it then.
    """
    if tx.dialect.name == "postgresql":
        # Controllers that start wait here, and find the restored database.
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(migrate.LOCK)))
    if sa.inspect(tx).has_table("leaders") and leader.somebody(tx):
        raise Conflict(
            "A controller works on this database.",
            remedy="Stop all controllers of the installation; one that was killed is believed for six seconds more.",
        )
    told = iter(lines)
    revision = _revision(next(told, ""))
    before = sa.MetaData()
    before.reflect(tx)
    before.drop_all(tx)
    command.upgrade(migrate.config(tx), revision)
    tables = {table.name: table for table in _tables(tx)}
    for table in tables.values():
        tx.execute(table.delete())  # what a migration writes by itself
    rows = _insert(tx, tables, told)
    for table in tables.values():
        _go_on_counting(tx, table)
    command.upgrade(migrate.config(tx), "head")
    return rows


def save(url: str) -> Iterator[str]:
    """`dump` of the database at an SQLAlchemy URL. Raises sqlalchemy's errors."""
    engines = engine.make(url)
    try:
        with engines.read.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield from dump(connection)
    finally:
        engines.dispose()


def _tables(tx: sa.Connection) -> list[sa.Table]:
    """All that is saved, each after those that it refers to."""
    found = sa.MetaData()
    found.reflect(tx)
    for table in found.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, sa.JSON):
                column.type.none_as_null = True
    return [table for table in found.sorted_tables if table.name not in _NOT_SAVED]


def _revision(line: str) -> str:
    try:
        head = json.loads(line)
        version, revision = head[_MARK], head["revision"]
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(f"{_DAMAGED}its first line tells nothing.", remedy=_OTHER_BACKUP) from None
    newer = InvalidInput(
        f"The backup was made by a newer version of Frazil (format {version}, schema {revision}).",
        remedy="Restore it with that version; nothing was changed.",
    )
    if version != FORMAT or not isinstance(revision, str):
        raise newer
    config = sa.create_engine("sqlite://")
    try:
        with config.connect() as nowhere:
            ScriptDirectory.from_config(migrate.config(nowhere)).get_revision(revision)
    except CommandError:
        raise newer from None
    finally:
        config.dispose()
    return revision


def _insert(tx: sa.Connection, tables: dict[str, sa.Table], lines: Iterator[str]) -> int:
    batch: list[dict[str, Any]] = []
    of = ""
    for rows, line in enumerate(lines):
        number = rows + 2
        try:
            told = json.loads(line)
        except ValueError:
            raise InvalidInput(f"{_DAMAGED}line {number} is no JSON.", remedy=_OTHER_BACKUP) from None
        if isinstance(told, dict):
            if told != {"rows": rows} or next(lines, None) is not None:
                raise InvalidInput(f"{_DAMAGED}rows are missing, or too many.", remedy=_OTHER_BACKUP)
            _write(tx, tables, of, batch)
            return rows
        try:
            name, values = told
            table = tables[name]
            row = {key: _value(table.columns[key], value) for key, value in values.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidInput(f"{_DAMAGED}line {number} is no row of a table.", remedy=_OTHER_BACKUP) from None
        if name != of or len(batch) >= _AT_ONCE:
            _write(tx, tables, of, batch)
            of, batch = name, []
        batch.append(row)
    raise InvalidInput(f"{_DAMAGED}its end is missing.", remedy=_OTHER_BACKUP)


def _write(tx: sa.Connection, tables: dict[str, sa.Table], name: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    try:
        tx.execute(tables[name].insert(), rows)
    except (sa.exc.OperationalError, sa.exc.InternalError):
        raise  # a full disk, or a database that went away, is no fault of the rows
    except sa.exc.StatementError as exc:
        raise InvalidInput(f"{_DAMAGED}rows of {name} do not fit: {exc.orig or exc}.", remedy=_OTHER_BACKUP) from exc


def _go_on_counting(tx: sa.Connection, table: sa.Table) -> None:
    """PostgreSQL counts what it numbers itself apart from the rows; SQLite goes on from the largest."""
    if tx.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        counter = tx.execute(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))).scalar()
        if counter is not None:
            largest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
            tx.execute(sa.select(sa.func.setval(counter, largest, False)))


def _plain(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat()


def _value(column: sa.Column[Any], value: object) -> object:
    """As this database takes it. Raises ValueError."""
    if value is None or not isinstance(column.type, sa.DateTime):
        return value
    if not isinstance(value, str):
        raise ValueError("a time is a text")
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("a time has a zone")
    return at if getattr(column.type, "timezone", False) else at.astimezone(UTC).replace(tzinfo=None)
