"""The store on each database that it promises to run on. PostgreSQL is a private one, made for the test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.controller.store import Store
from frazil.controller.store.engine import sqlite_url

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that listens on a UNIX socket only. It refuses to run as root, so it does not."""
    if not _PROGRAMS:
        pytest.skip("PostgreSQL is not installed; `make test` installs it")
    programs = _PROGRAMS[-1]
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    base = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/frazil-pg-XXXXXX"], text=True).strip())
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(base, user)
        as_user = ["runuser", "-u", user, "--"]
    data = base / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(
        [*as_user, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-E", "UTF8", "--no-sync"],
        **quiet,  # type: ignore[call-overload]
    )
    options = f"-c listen_addresses='' -c unix_socket_directories={base} -c fsync=off"
    control = [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-o", options, "-l", str(base / "log"), "start"], **quiet)  # type: ignore[call-overload]
    try:
        yield f"postgresql+psycopg://{user}@/postgres?host={base}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]
        shutil.rmtree(base)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "store.sqlite3")
    url: str = request.getfixturevalue("postgresql")
    name = f"t{abs(hash(tmp_path)):x}"
    host = url.split("host=", 1)[1]
    user = url.split("//", 1)[1].split("@", 1)[0]
    subprocess.run(["psql", "-h", host, "-U", user, "-q", "-c", f"create database {name}", "postgres"], check=True)
    return f"postgresql+psycopg://{user}@/{name}?host={host}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    made = Store.open(store_url)
    yield made
    made.close()
