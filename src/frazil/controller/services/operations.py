"""Slow calls that can be watched. Their progress is that of the thing they are about."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.services import views
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, images, operations
from frazil.controller.store.rows import OperationRow
from frazil.model.errors import NotFound
from frazil.wire.rest import Operation


def model(tx: sa.Connection, row: OperationRow) -> Operation:
    step, fraction, eta_s = _progress(tx, row) if row.state == "running" else ("", None, None)
    return Operation.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "state": row.state,
            "target_id": row.target_id,
            "step": step,
            "fraction": 1.0 if row.state == "done" else fraction,
            "eta_s": eta_s,
            "failure": views.failure_field(row.failure),
            "created_at": row.created_at,
            "ended_at": row.ended_at,
        }
    )


def _progress(tx: sa.Connection, row: OperationRow) -> tuple[str, float | None, float | None]:
    if row.kind == "pool.delete":
        left = desktops.count(tx, pool_id=row.target_id)
        return (f"Deleting its desktops; {left} are left" if left else "Deleting the pool"), None, None
    seen = [one for one in images.seen(tx, row.target_id).get(row.target_id, []) if one.attempt >= row.attempt]
    making = [one for one in seen if one.state == "making"]
    if row.kind == "image.delete":
        return "Waiting for the hosts to delete it", None, None
    if not making:
        return "Waiting for a host to begin", None, None
    farthest = max(making, key=lambda one: one.fraction)
    return farthest.step, farthest.fraction, farthest.eta_s


class Operations:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def show(self, identity: Identity, operation_id: str) -> Operation:
        identity.require(Right.SEE_IMAGES)

        def work(tx: sa.Connection) -> Operation:
            row = operations.find(tx, operation_id)
            if row is None:
                raise NotFound("There is no such operation.", remedy="Look at the thing itself.")
            return model(tx, row)

        return await self._ctx.store.read(work)
