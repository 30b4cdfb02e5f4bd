"""A database for one simulated installation after the other: migrated once, then copied."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from frazil.controller.store import Store, engine


class Databases:
    """Blocking. `emptied` gives the same engines again and again, so that what they compiled is kept."""

    def __init__(self, directory: Path) -> None:
        self._migrated, self.path = directory / "migrated.sqlite3", directory / "simulated.sqlite3"
        Store.open(engine.sqlite_url(self._migrated)).close()
        self._engines = engine.make(engine.sqlite_url(self.path))
        sa.event.listen(self._engines.write, "connect", _never_sync)

    def emptied(self) -> engine.Engines:
        """Engines of a database with nothing in it. Nobody uses the one before."""
        for rest in self.path.parent.glob(f"{self.path.name}*"):
            rest.unlink()
        shutil.copy(self._migrated, self.path)
        return self._engines


def _never_sync(connection: sqlite3.Connection, _record: Any) -> None:
    """No power is cut here but a simulated one."""
    connection.execute("PRAGMA synchronous = OFF")
