"""Queries of operations: slow calls that can be watched."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import failures
from frazil.controller.store.rows import OperationRow
from frazil.controller.store.tables import TENANT, operations
from frazil.model.desktop import Failure


def _row(found: sa.RowMapping) -> OperationRow:
    return OperationRow(
        id=found["id"],
        kind=found["kind"],
        state=found["state"],
        target_id=found["target_id"],
        attempt=found["attempt"],
        failure=failures.from_json(found["failure"]),
        created_at=found["created_at"],
        ended_at=found["ended_at"],
    )


def insert(tx: sa.Connection, *, id: str, kind: str, target_id: str, attempt: int, now: datetime) -> OperationRow:
    tx.execute(
        operations.insert().values(
            id=id, tenant_id=TENANT, kind=kind, state="running", target_id=target_id, attempt=attempt, created_at=now
        )
    )
    return OperationRow(
        id=id,
        kind=kind,
        state="running",
        target_id=target_id,
        attempt=attempt,
        failure=None,
        created_at=now,
        ended_at=None,
    )


def find(tx: sa.Connection, operation_id: str) -> OperationRow | None:
    found = tx.execute(sa.select(operations).where(operations.c.id == operation_id)).mappings().first()
    return _row(found) if found else None


def running(tx: sa.Connection, *, target_id: str | None = None) -> list[OperationRow]:
    query = sa.select(operations).where(operations.c.state == "running").order_by(operations.c.id)
    if target_id is not None:
        query = query.where(operations.c.target_id == target_id)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def end(tx: sa.Connection, operation_id: str, *, failure: Failure | None, now: datetime) -> bool:
    query = operations.update().where(operations.c.id == operation_id, operations.c.state == "running")
    state = "done" if failure is None else "failed"
    return tx.execute(query.values(state=state, failure=failures.to_json(failure), ended_at=now)).rowcount == 1
