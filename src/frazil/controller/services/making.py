"""Making a desktop in a pool."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.services import journal
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, meta, pools
from frazil.controller.store.rows import PoolRow

CREATED = "desktop.created"


def asked_for(name: str) -> str:
    """What the event of a desktop's making tells: by it a desktop that is gone is still known by its name."""
    return f"The desktop {name} was asked for."


def name_in(text: str) -> str | None:
    """The name of the desktop of which `asked_for` told."""
    before, _, after = asked_for("\n").partition("\n")
    fits = text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after)
    return text[len(before) : -len(after)] if fits else None


def has_room(tx: sa.Connection, pool_id: str) -> bool:
    """Whether the pool may have one desktop more; until the end of this transaction no other one makes any in it."""
    pool = pools.hold(tx, pool_id)
    return pool is not None and not pool.deleting and desktops.count(tx, pool_id=pool_id) < pool.max_desktops


def new_name(tx: sa.Connection, pool: PoolRow) -> str:
    """What the pool's next desktop is called. One that was taken back may be called as a later one would be."""
    while desktops.is_called(tx, name := f"{pool.name}-{pools.take_number(tx, pool.id)}"):
        pass
    return name


def make_desktop(ctx: Context, tx: sa.Connection, pool: PoolRow, *, assigned_user_id: str | None) -> str:
    """Insert a desktop that is wanted running; its id. The caller has asked `has_room`."""
    desktop_id = ctx.ids.new_id()
    name = new_name(tx, pool)
    desktops.insert(
        tx,
        id=desktop_id,
        disk_id=ctx.ids.new_id(),
        name=name,
        pool=pool,
        generation=meta.restore_generation(tx),
        assigned_user_id=assigned_user_id,
        now=ctx.clock.now(),
    )
    journal.note(ctx, tx, CREATED, asked_for(name), desktop_id=desktop_id)
    return desktop_id
