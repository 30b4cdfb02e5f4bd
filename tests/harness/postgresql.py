"""A private PostgreSQL: it listens on a UNIX socket only, and goes with all that is in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A running one. `pid`: of its first process, which all others are children of."""

    directory: Path
    user: str
    pid: int

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.directory}"

    def create(self, database: str) -> str:
        """A new, empty database; its URL."""
        ask = [
            "psql",
            "-h",
            str(self.directory),
            "-U",
            self.user,
            "-q",
            "-c",
            f"create database {database}",
            "postgres",
        ]
        subprocess.run(ask, check=True)
        return self.url(database)


def installed() -> bool:
    return bool(_PROGRAMS)


@contextmanager
def running(*, fsync: bool) -> Iterator[PostgreSQL]:
    """Without `fsync` a power cut may spoil it, which no test is about. As root it runs as postgres: it has to."""
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
    options = f"-c listen_addresses='' -c unix_socket_directories={base} -c fsync={'on' if fsync else 'off'}"
    control = [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-o", options, "-l", str(base / "log"), "start"], **quiet)  # type: ignore[call-overload]
    try:
        yield PostgreSQL(base, user, int((data / "postmaster.pid").read_text().split()[0]))
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]
        shutil.rmtree(base)
