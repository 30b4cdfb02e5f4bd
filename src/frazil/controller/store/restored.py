"""What a database must forget, and know, once an old backup was put into it.

Since the backup was made desktops were given away, passwords changed and tokens withdrawn. What can't be known any
more is taken for the worst, but nothing that a host has is ended for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from frazil.controller.store import desktops, events, meta
from frazil.controller.store import tables as t
from frazil.model.desktop import Power

NUMBERS_SKIPPED = 1000
"""A pool's next desktop is not called as one that was made since the backup."""
GENERATIONS_SKIPPED = 1 << 20
"""What a host says of an older wish is not taken for an answer to a new one."""
SESSION_ENDED = "The database was restored from a backup, and the desktop was started anew since that was made."


@dataclass(frozen=True, slots=True)
class Restored:
    """generation: the restore generation from now on. forgotten: names of the desktops that became strays."""

    generation: int
    forgotten: tuple[str, ...]


def forgotten(name: str) -> str:
    """Of a desktop that is the database's no more."""
    return (
        f"The desktop {name} is Frazil's no more: since the backup was made it may have become somebody's. "
        "If its host has it still, it is among the strays there."
    )


def renew(
    tx: sa.Connection, *, made_at: datetime, now: datetime, new_id: Callable[[], str], above: int = 0
) -> Restored:
    """Make a restored database fit to lead again. In the transaction of the restoring.

    - Every new placement and attempt is newer than any that the backup did not know, nor its own: `above` is the
      restore generation that the database had before, as after an earlier restore of the same backup.
    - Nobody is signed in, no token or ticket holds: one that was withdrawn since would hold again.
    - Desktops that were nobody's are forgotten: since then they may have become somebody's.
    - What is kept after its deletion is kept for its pool's whole time from now: it may have been restored since.
    """
    generation = meta.raise_restore_generation(tx, above=above)
    for table in (t.logins, t.api_tokens, t.tickets, t.setup_token, t.throttles):
        tx.execute(table.delete())
    free = (
        sa.select(t.desktops.c.id, t.desktops.c.name)
        .where(
            t.desktops.c.assigned_user_id.is_(None),
            t.desktops.c.kept_until.is_(None),
            t.desktops.c.power != Power.ABSENT.value,
        )
        .order_by(t.desktops.c.id)
    )
    gone = [(str(id), str(name)) for id, name in tx.execute(free)]
    for id, name in gone:
        _tell(tx, new_id, now, "desktop.forgotten", forgotten(name), desktop_id=id)
    desktops.forget(tx, [id for id, _ in gone])
    for pool_id, keep_s in tx.execute(sa.select(t.pools.c.id, t.pools.c.keep_deleted_s)).all():
        until = now + timedelta(seconds=keep_s)
        kept = t.desktops.update().where(t.desktops.c.pool_id == pool_id, t.desktops.c.kept_until < until)
        tx.execute(kept.values(kept_until=until))
    tx.execute(t.pools.update().values(next_number=t.pools.c.next_number + NUMBERS_SKIPPED))
    tx.execute(t.hosts.update().values(desired_generation=t.hosts.c.desired_generation + GENERATIONS_SKIPPED))
    text = f"The database was restored from the backup of {made_at:%Y-%m-%d %H:%M:%S} UTC."
    _tell(tx, new_id, now, "database.restored", text)
    return Restored(generation, tuple(name for _, name in gone))


def _tell(
    tx: sa.Connection, new_id: Callable[[], str], now: datetime, kind: str, text: str, *, desktop_id: str | None = None
) -> None:
    events.insert(tx, id=new_id(), at=now, kind=kind, text=text, outcome="done", desktop_id=desktop_id)
