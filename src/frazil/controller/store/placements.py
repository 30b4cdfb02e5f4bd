"""Queries of why desktops are where they are: the newest choice of a host for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.planning.placement import Chosen
from frazil.controller.planning.scores import Apart, Score
from frazil.controller.store.rows import PlacementRow
from frazil.controller.store.tables import TENANT, placements
from frazil.controller.store.upsert import upsert_all


def keep(tx: sa.Connection, choices: Mapping[str, Chosen], *, now: datetime) -> None:
    """What was chosen, by desktop's id, each in place of an earlier choice."""
    rows = [
        {
            "desktop_id": desktop_id,
            "tenant_id": TENANT,
            "host_id": chosen.host_id,
            "at": now,
            "able": chosen.able,
            "of_hosts": chosen.of_hosts,
            "score": asdict(chosen.score) | {"kept_apart": asdict(chosen.apart) if chosen.apart is not None else None},
        }
        for desktop_id, chosen in choices.items()
    ]
    upsert_all(tx, placements, rows, keys=["desktop_id"])


def find(tx: sa.Connection, desktop_id: str) -> PlacementRow | None:
    """None when it is placed nowhere, or an older version placed it."""
    found = tx.execute(sa.select(placements).where(placements.c.desktop_id == desktop_id)).mappings().first()
    if found is None:
        return None
    said = found["score"]
    score = Score(
        template=said["template"],
        room=said["room"],
        processors=said["processors"],
        apart=said["apart"],
        has_template=said["has_template"],
        left_mib=said["left_mib"],
        busy=said["busy"],
        together=said["together"],
        pack=said.get("pack", False),
    )
    kept_apart = said.get("kept_apart")
    apart = Apart(**kept_apart) if kept_apart is not None else None
    return PlacementRow(found["host_id"], found["at"], found["able"], found["of_hosts"], score, apart)
