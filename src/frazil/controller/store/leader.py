"""Which controller leads: one row with a holder, an epoch and an end, by the database's own clock."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.store.tables import leaders
from frazil.controller.store.upsert import insert_new

PLANNING = "planning"


def take(tx: sa.Connection, *, holder: str, for_s: float) -> int | None:
    """Lead for so many seconds from now, if nobody else does. The epoch, or None while another leads.

    Who leads already goes on with the same epoch; who leads anew gets one that nobody had before.
    """
    now = _now(tx)
    still = sa.and_(leaders.c.holder == holder, leaders.c.expires_s > now)
    update = (
        leaders.update()
        .where(leaders.c.name == PLANNING, sa.or_(still, leaders.c.expires_s <= now))
        .values(
            holder=holder,
            epoch=sa.case((still, leaders.c.epoch), else_=leaders.c.epoch + 1),
            expires_s=now + for_s,
        )
        .returning(leaders.c.epoch)
    )
    insert_new(tx, leaders, {"name": PLANNING, "holder": "", "epoch": 0, "expires_s": 0.0}, keys=["name"])
    epoch = tx.execute(update).scalar()
    return None if epoch is None else int(epoch)


def leave(tx: sa.Connection, *, holder: str) -> None:
    """Another may lead at once, if this one did."""
    tx.execute(leaders.update().where(leaders.c.name == PLANNING, leaders.c.holder == holder).values(expires_s=0.0))


def leads(tx: sa.Connection, *, holder: str, epoch: int) -> bool:
    """Whether it leads now. No other can begin to before this transaction ends."""
    query = sa.select(leaders.c.epoch).where(
        leaders.c.name == PLANNING,
        leaders.c.holder == holder,
        leaders.c.epoch == epoch,
        leaders.c.expires_s > _now(tx),
    )
    return tx.execute(query.with_for_update(read=True)).scalar() is not None


def somebody(tx: sa.Connection) -> bool:
    """Whether any controller leads, or may."""
    query = sa.select(leaders.c.epoch).where(leaders.c.name == PLANNING, leaders.c.expires_s > _now(tx))
    return tx.execute(query).scalar() is not None


def _now(tx: sa.Connection) -> sa.ColumnElement[float]:
    """Seconds since 1970, of this moment and not of the transaction's beginning."""
    if tx.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
    return (sa.func.julianday("now", type_=sa.Double) - 2440587.5) * 86400.0
