"""A backup of the database that is restored while hosts have gone on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from frazil.controller.store import meta, restored
from frazil.controller.store.engine import Engines
from frazil.model.clock import Ids
from tests.harness.simulation.host import SimulatedHost
from tests.harness.simulation.watch import Watch


@dataclass(frozen=True, slots=True)
class Backup:
    """Its pages; that its lines hold the same is shown elsewhere (`tests/contract/store/test_backup.py`)."""

    pages: sqlite3.Connection
    made_at: datetime

    @classmethod
    def of(cls, engines: Engines, *, now: datetime) -> Backup:
        pages = sqlite3.connect(":memory:")
        with_wire(engines, lambda wire: wire.backup(pages))
        return cls(pages, now)

    def restore(
        self, engines: Engines, watch: Watch, hosts: Collection[SimulatedHost], *, now: datetime, ids: Ids
    ) -> None:
        """As `frazil restore` does, with no controller there. What hosts have and the database does not know now is to
        be left alone from here on."""
        with engines.read.begin() as tx:
            above = meta.restore_generation(tx)
        with_wire(engines, self.pages.backup)
        with engines.write.begin() as tx:
            restored.renew(tx, made_at=self.made_at, now=now, new_id=ids.new_id, above=above)
        with engines.read.begin() as tx:
            watch.restored(tx, {id for host in hosts for id in host.left_alone()})


def with_wire(engines: Engines, do: Callable[[sqlite3.Connection], object]) -> None:
    """Do something with SQLite's own connection."""
    with engines.write.connect() as connection:
        wire = connection.connection.driver_connection
        assert isinstance(wire, sqlite3.Connection)
        do(wire)
