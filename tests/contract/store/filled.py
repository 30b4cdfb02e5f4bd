"""A database as an older version of Frazil filled it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from frazil.controller.store import tables as t
from frazil.wire.hostlink import Profile

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)

BEFORE_GROUPS = "0007"
"""The last schema whose users were in no groups, and whose pools had neither kinds nor rules for sessions."""


def fill_older(tx: sa.Connection) -> None:
    """As a controller of that version wrote: two people, one with a session, the other's over; a pool, two desktops.

    The columns are named one by one: those that came later are left to the database, as an older version leaves them.
    """
    profile = Profile().model_dump(mode="json")
    for id, name, role in (("u1", "ann", "administrator"), ("u2", "bob", "user"), ("u3", "eve", "user")):
        said = {"id": id, "issuer": "local", "subject": name, "display_name": name, "role": role, "password_hash": "x"}
        _add(tx, t.users, said, created_at=NOW)
    _add(tx, t.hosts, {"id": "h1", "name": "here", "version": "1"}, capabilities={}, created_at=NOW)
    image = {"id": "i1", "name": "debian", "os": "", "wanted": "present"}
    _add(tx, t.images, image, version=1, attempt=1, created_at=NOW)
    pool = {"id": "p1", "name": "desk", "label": "Desk", "image_id": "i1"}
    numbers = {"spares": 1, "max_desktops": 5, "start_deadline_s": 60, "version": 3, "next_number": 3}
    _add(tx, t.pools, pool, **numbers, profile=profile, deleting=False, created_at=NOW, changed_at=NOW)
    _add(tx, t.entitlements, {"pool_id": "p1", "user_id": "u2"}, created_at=NOW)
    numbers = {"epoch_generation": 1, "epoch_counter": 2, "attempt": 1, "measured_attempt": 1, "deadline_s": 60}
    for number, user_id in ((1, "u2"), (2, None)):
        desktop = {"id": f"d{number}", "name": f"desk-{number}", "pool_id": "p1", "image_id": "i1", "host_id": "h1"}
        desktop |= {"power": "running", "announced": "ready"}
        since = {"wanted_since": NOW, "created_at": NOW}
        _add(tx, t.desktops, desktop, **numbers, **since, assigned_user_id=user_id, profile=profile, graceful=False)
        disk = {"id": f"k{number}", "desktop_id": f"d{number}", "role": "system", "source": "image:i1"}
        _add(tx, t.disks, disk, position=0, writable=True, exclusive=True, storage="local", host_id="h1")
    for id, user_id, ended_at in (("s1", "u2", None), ("s0", "u3", NOW + timedelta(hours=1))):
        session = {"id": id, "user_id": user_id, "pool_id": "p1", "desktop_id": "d1"}
        _add(tx, t.sessions, session, connected=False, opened_at=NOW, ended_at=ended_at, disconnected_at=NOW)


def _add(tx: sa.Connection, table: sa.Table, texts: Mapping[str, str], **values: object) -> None:
    tx.execute(table.insert().values(**texts, **values))
