"""Tables that are read whole again and again: of what was read before, only what has changed is read anew.

PostgreSQL tells which transaction wrote a row (`xmin`, "System Columns" of its manual), which is another one whenever
the row is another. That number says nothing in a database that was brought back, under a running controller, to what it
was earlier; therefore all is read now and then. SQLite has nothing of the kind, and all is read each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

import sqlalchemy as sa

Row = TypeVar("Row")
ALL_EVERY_S = 60.0
AT_ONCE = 1000
"""So many rows are asked for by their ids in one statement."""


class Reread(Generic[Row]):
    """The rows of `query`, by their ids and in its order. One read at a time; a row that stayed is the same object.

    query: ordered by `id`. tables: whose columns it has; a row is another when its row in any of them is.
    """

    def __init__(
        self,
        query: sa.Select[tuple[object, ...]],
        make: Callable[[sa.RowMapping], Row],
        *,
        id: sa.Column[str],
        tables: Iterable[sa.Table],
    ) -> None:
        written = [sa.cast(sa.literal_column(f"{table.name}.xmin"), sa.Text) for table in tables]
        self._marks_query = query.with_only_columns(id, sa.func.concat_ws(" ", *written))
        self._query = query
        self._make = make
        self._id = id
        self._marks: dict[str, str] = {}
        self._rows: dict[str, Row] = {}
        self._all_s: float | None = None

    def read(self, tx: sa.Connection, *, now_s: float) -> Mapping[str, Row]:
        """All rows at the transaction's moment. now_s: as of `Clock.monotonic_s`."""
        if tx.dialect.name != "postgresql":
            return self._fetched(tx, self._query)
        marks = {id: mark for id, mark in tx.execute(self._marks_query).all()}  # noqa: C416
        if self._all_s is None or now_s - self._all_s >= ALL_EVERY_S:
            self._rows, self._all_s = self._fetched(tx, self._query), now_s
        else:
            changed = [id for id, mark in marks.items() if self._marks.get(id) != mark]
            fresh: dict[str, Row] = {}
            for begin in range(0, len(changed), AT_ONCE):
                fresh |= self._fetched(tx, self._query.where(self._id.in_(changed[begin : begin + AT_ONCE])))
            known = self._rows | fresh
            self._rows = {id: known[id] for id in marks}
        self._marks = marks
        return self._rows

    def _fetched(self, tx: sa.Connection, query: sa.Select[tuple[object, ...]]) -> dict[str, Row]:
        name = self._id.name
        return {found[name]: self._make(found) for found in tx.execute(query).mappings().all()}
