"""The controller's database read from beside it, and whether its rows agree with each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from frazil.settings import Settings

RULES = {
    "a desktop without exactly one disk of its own on its host": """
        SELECT d.name FROM desktops d
        WHERE (SELECT count(*) FROM disks WHERE disks.desktop_id = d.id AND disks.host_id = d.host_id) != 1""",
    "a disk of no desktop": "SELECT id FROM disks WHERE desktop_id NOT IN (SELECT id FROM desktops)",
    "an observation of no desktop": """
        SELECT desktop_id FROM desktop_seen WHERE desktop_id NOT IN (SELECT id FROM desktops)""",
    "an observation of another placement or attempt": """
        SELECT d.name FROM desktops d JOIN desktop_seen s ON s.desktop_id = d.id
        WHERE (s.epoch_generation, s.epoch_counter, s.attempt) != (d.epoch_generation, d.epoch_counter, d.attempt)""",
    "a desktop that was placed twice": "SELECT name FROM desktops WHERE epoch_counter > 1",
    "a desktop of a pool beyond its most": """
        SELECT p.name FROM pools p WHERE (SELECT count(*) FROM desktops WHERE pool_id = p.id) > p.max_desktops""",
    "a person's desktop without an open session of theirs": """
        SELECT d.name FROM desktops d JOIN pools p ON p.id = d.pool_id
        WHERE p.kind = 'floating' AND d.assigned_user_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM sessions s
            WHERE s.desktop_id = d.id AND s.user_id = d.assigned_user_id AND s.ended_at IS NULL)""",
    "an open session of a desktop that is not its user's": """
        SELECT s.id FROM sessions s LEFT JOIN desktops d ON d.id = s.desktop_id
        WHERE s.ended_at IS NULL AND d.assigned_user_id IS NOT s.user_id""",
    "an operation that never ended": "SELECT kind FROM operations WHERE state = 'running'",
    "a desktop that counts as failed": "SELECT name FROM desktops WHERE failed_at IS NOT NULL OR failure IS NOT NULL",
}
OF_POOLS = ("pools", "entitlements", "desktops", "desktop_seen", "disks", "starts")


@contextmanager
def opened(settings: Settings, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """The database; to be written only while the controller is stopped."""
    file = settings.controller_dir / "frazil.sqlite3"
    connection = sqlite3.connect(f"file:{file}?mode={'rw' if write else 'ro'}", uri=True, timeout=10)
    try:
        if write:
            connection.execute("PRAGMA foreign_keys = ON")
        with connection:
            yield connection
    finally:
        connection.close()


def contradictions(settings: Settings) -> list[str]:
    """What is wrong with the rows, in words; empty when all is consistent."""
    found = []
    with opened(settings) as database:
        if (said := [row[0] for row in database.execute("PRAGMA integrity_check")]) != ["ok"]:
            found.append(f"the file is damaged: {said[:3]}")
        if broken := database.execute("PRAGMA foreign_key_check").fetchall():
            found.append(f"rows refer to nothing: {broken[:3]}")
        for words, query in RULES.items():
            if rows := [row[0] for row in database.execute(query)]:
                found.append(f"{words}: {rows[:5]}")
    return found


def left_of_pools(settings: Settings) -> dict[str, int]:
    """Rows that should go with their pool: table and count, where there are any."""
    with opened(settings) as database:
        counts = {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in OF_POOLS}
        counts["open sessions"] = database.execute("SELECT count(*) FROM sessions WHERE ended_at IS NULL").fetchone()[0]
    return {table: count for table, count in counts.items() if count}
