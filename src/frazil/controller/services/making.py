"""Making desktops in a pool."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from frazil.controller.planning import MakeSpare
from frazil.controller.planning.placement import Chosen
from frazil.controller.services import journal
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, hosts, meta, placements, pools
from frazil.controller.store.rows import NewDesktop, PoolRow

CREATED = "desktop.created"
PLACED = "desktop.placed"


def asked_for(name: str) -> str:
    """What the event of a desktop's making tells: by it a desktop that is gone is still known by its name."""
    return f"The desktop {name} was asked for."


def placed_on(host_name: str) -> str:
    """What the event of a desktop's placing tells."""
    return f"It was placed on the host {host_name}."


def name_in(text: str) -> str | None:
    """The name of the desktop of which `asked_for` told."""
    before, _, after = asked_for("\n").partition("\n")
    fits = text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after)
    return text[len(before) : -len(after)] if fits else None


def has_room(tx: sa.Connection, pool_id: str) -> bool:
    """Whether the pool may have one desktop more; until the end of this transaction no other one makes any in it."""
    pool = pools.hold(tx, pool_id)
    return pool is not None and room(tx, pool) > 0


def room(tx: sa.Connection, pool: PoolRow) -> int:
    """How many desktops more a pool may have. The caller holds it."""
    return 0 if pool.deleting else max(0, pool.max_desktops - desktops.count(tx, pool_id=pool.id))


def new_names(tx: sa.Connection, pool: PoolRow, count: int) -> list[str]:
    """What the pool's next desktops are called. One that was taken back may be called as a later one would be."""
    names: list[str] = []
    while len(names) < count:
        next_ones = [f"{pool.name}-{number}" for number in pools.take_numbers(tx, pool.id, count - len(names))]
        taken = desktops.called(tx, next_ones)
        names += [name for name in next_ones if name not in taken]
    return names


def make_desktop(ctx: Context, tx: sa.Connection, pool: PoolRow, *, assigned_user_id: str | None) -> str:
    """Insert a desktop that is wanted running; its id. The caller has asked `has_room`."""
    [name] = new_names(tx, pool, 1)
    new = NewDesktop(
        id=ctx.ids.new_id(), disk_id=ctx.ids.new_id(), name=name, pool=pool, assigned_user_id=assigned_user_id
    )
    desktops.insert(tx, [new], generation=meta.restore_generation(tx), now=ctx.clock.now())
    journal.note(ctx, tx, CREATED, asked_for(name), desktop_id=new.id)
    return new.id


def make_spares(ctx: Context, tx: sa.Connection, wanted: Sequence[MakeSpare]) -> None:
    """Make spares, each placed at once: one that was taken is replaced without a second look.

    As many of a pool as it has room for, and none on a host that was forgotten since the plan was made.
    """
    there = hosts.still_there(tx, {one.host_id for one in wanted})
    chosen: dict[str, Chosen] = {}
    new: list[NewDesktop] = []
    for pool_id in sorted({one.pool_id for one in wanted}):
        pool = pools.hold(tx, pool_id)
        if pool is None:
            continue
        mine = [one for one in wanted if one.pool_id == pool_id and one.host_id in there][: room(tx, pool)]
        for one, name in zip(mine, new_names(tx, pool, len(mine)), strict=True):
            made = NewDesktop(id=ctx.ids.new_id(), disk_id=ctx.ids.new_id(), name=name, pool=pool, host_id=one.host_id)
            new.append(made)
            if one.chosen is not None:
                chosen[made.id] = one.chosen
    if not new:
        return
    now = ctx.clock.now()
    desktops.insert(tx, new, generation=meta.restore_generation(tx), now=now)
    placements.keep(tx, chosen, now=now)
    journal.note_each(ctx, tx, CREATED, {one.id: asked_for(one.name) for one in new})
    placed = {one.id: placed_on(there[one.host_id]) for one in new if one.host_id is not None}
    journal.note_each(ctx, tx, PLACED, placed)
