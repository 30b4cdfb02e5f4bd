"""What hosts saw of desktops: only they write it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import failures
from frazil.controller.store.rows import SeenRow
from frazil.controller.store.tables import TENANT, desktop_seen, desktops
from frazil.controller.store.upsert import upsert_all

AT_ONCE = 1000
"""So many rows are asked for in one statement; SQLite allows 32,766 parameters."""
_COMPARED = ("epoch_generation", "epoch_counter", "attempt", "state", "guest", "failure", "step", "started_at")
"""What an observation says, its age first."""


def saw_all(tx: sa.Connection, seen: Sequence[tuple[str, SeenRow]], *, now: datetime) -> set[str]:
    """Keep observations, each by the host of this id; the ids of the desktops that are seen otherwise now.

    One is not kept when the desktop is unknown or placed elsewhere, or a newer placement or attempt was seen already,
    or when it says nothing new: then the older one stands, with its time.
    When a failure that passes is seen no more, the desktop's deadline counts from now.
    """
    changed: set[str] = set()
    for begin in range(0, len(seen), AT_ONCE):
        changed |= _saw(tx, seen[begin : begin + AT_ONCE], now=now)
    return changed


def _saw(tx: sa.Connection, seen: Sequence[tuple[str, SeenRow]], *, now: datetime) -> set[str]:
    columns = [desktop_seen.c[name] for name in _COMPARED]
    query = (
        sa.select(desktops.c.id, desktops.c.host_id, *columns)
        .select_from(desktops.outerjoin(desktop_seen, desktop_seen.c.desktop_id == desktops.c.id))
        .where(desktops.c.id.in_({row.desktop_id for _, row in seen}))
    )
    known = {found.id: (found.host_id, tuple(found)[2:]) for found in tx.execute(query)}
    fresh: dict[str, dict[str, object]] = {}
    passed: set[str] = set()
    for host_id, row in seen:
        placed_on, kept = known.get(row.desktop_id, (None, ()))
        values = _values(row)
        told = tuple(values[name] for name in _COMPARED)
        if placed_on != host_id or kept == told or (kept[0] is not None and kept[:3] > told[:3]):
            continue
        before = failures.from_json(kept[_COMPARED.index("failure")])
        if before is not None and before.passes and before != row.failure:
            passed.add(row.desktop_id)
        known[row.desktop_id] = placed_on, told
        fresh[row.desktop_id] = values
    upsert_all(tx, desktop_seen, [fresh[id] for id in sorted(fresh)], keys=["desktop_id"])
    if passed:
        tx.execute(desktops.update().where(desktops.c.id.in_(passed)).values(wanted_since=now))
    return set(fresh)


def _values(row: SeenRow) -> dict[str, object]:
    return {
        "desktop_id": row.desktop_id,
        "tenant_id": TENANT,
        "state": row.state.value,
        "guest": row.guest.value,
        "epoch_generation": row.epoch.generation,
        "epoch_counter": row.epoch.counter,
        "attempt": row.attempt,
        "failure": failures.to_json(row.failure),
        "step": row.step,
        "started_at": row.started_at,
        "observed_at": row.observed_at,
        "source": row.source,
    }
