"""A PostgreSQL server of a test's own, on a UNIX socket only; it can be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class Postgresql:
    """Begins to run when it is entered. It refuses to run as root, so it does not."""

    def __init__(self) -> None:
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.base = Path(tempfile.mkdtemp(prefix="frazil-pg-", dir="/var/tmp"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.base, self.user)
            self._as_user = ["runuser", "-u", self.user, "--"]
        self._databases = 0

    def __enter__(self) -> Postgresql:
        self._run("initdb", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.base)

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.base} -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.base / "log"), "start")

    def kill(self) -> None:
        """As a machine that loses power: what was not committed is gone, and recovered from at the next start."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        self._databases += 1
        name = f"t{self._databases}"
        psql = ["psql", "-h", str(self.base), "-U", self.user, "-q", "-c", f"create database {name}", "postgres"]
        subprocess.run(psql, check=True)
        return f"postgresql+psycopg://{self.user}@/{name}?host={self.base}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(PROGRAMS[-1] / program), "-D", str(self.base / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
