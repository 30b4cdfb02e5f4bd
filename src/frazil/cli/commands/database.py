"""`frazil database …`: what `frazil backup` and `frazil restore` run as the controller's user. Not for people.

What the controller's store is made of is imported where it is used: all other commands would wait for it.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from frazil.cli import connection
from frazil.cli.options import group
from frazil.runtime import SystemClock, SystemIds

app = group("The database as lines of text.")


@app.command("dump")
def dump() -> None:
    """Write all that the database holds to the standard output.

    \b
    Examples:
      frazil database dump
    """
    from frazil.controller.store import backup, engine
    from frazil.controller.store.store import in_words

    url = engine.url_of(connection.settings())
    file = _file(url)
    if file is not None and not file.exists():
        return
    with in_words():
        for line in backup.save(url):
            sys.stdout.write(line + "\n")


@app.command("load")
def load(
    made_at: Annotated[datetime, typer.Option("--made-at", help="When the lines were written.")],
    afresh: Annotated[bool, typer.Option("--afresh", help="Set aside a file of SQLite that can't be read.")] = False,
) -> None:
    """Put what the standard input tells in the place of all that the database holds.

    \b
    Examples:
      frazil database load --made-at 2030-01-31T08:30:00
    """
    import sqlalchemy as sa

    from frazil.controller.store import backup, engine, meta, restored
    from frazil.controller.store.store import in_words

    url = engine.url_of(connection.settings())
    now = SystemClock().now()
    file = _file(url)
    fresh = file.with_name(file.name + ".restoring") if file is not None and afresh else None
    if fresh is not None:
        _remove(fresh)
    done: restored.Restored | None = None
    engines = engine.make(engine.sqlite_url(fresh) if fresh is not None else url)
    try:
        with in_words(), engines.write.begin() as tx:
            above = meta.restore_generation(tx) if sa.inspect(tx).has_table("meta") else 0
            rows = backup.load(tx, sys.stdin)
            done = restored.renew(tx, made_at=made_at, now=now, new_id=SystemIds().new_id, above=above)
    finally:
        engines.dispose()
        if fresh is not None and not done:
            _remove(fresh)
    if file is not None and fresh is not None:
        _put_in_place(fresh, file, aside=f".set-aside-{now:%Y%m%d-%H%M%S}")
    told = {"rows": rows, "generation": done.generation, "forgotten": list(done.forgotten)}
    sys.stdout.write(json.dumps(told) + "\n")


BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a database; with another database it would spoil that."""


def _remove(file: Path) -> None:
    for suffix in (*BESIDE, ""):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _put_in_place(fresh: Path, file: Path, *, aside: str) -> None:
    """What is there keeps its bytes under another name."""
    for suffix in BESIDE:
        beside = file.with_name(file.name + suffix)
        if beside.exists():
            beside.rename(beside.with_name(file.name + aside + suffix))
    if file.exists():
        os.link(file, file.with_name(file.name + aside))
    fresh.replace(file)


def _file(url: str) -> Path | None:
    """SQLite's file; None for another database."""
    import sqlalchemy as sa

    made = sa.make_url(url)
    return Path(made.database) if made.get_backend_name() == "sqlite" and made.database else None
