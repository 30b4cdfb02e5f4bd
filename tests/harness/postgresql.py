"""A PostgreSQL server of one's own, on a UNIX socket only; it can be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def installed() -> bool:
    return bool(_PROGRAMS)


class PostgreSQL:
    """Begins to run when it is entered. It refuses to run as root, so it does not.

    Without `fsync` a power cut may spoil it, which no test is about.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        self._fsync = "on" if fsync else "off"
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._base = Path(tempfile.mkdtemp(prefix="frazil-pg-", dir="/var/tmp"))
        self._base.chmod(0o711)  # its socket is for everybody's processes, its data for its own
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._base, self._user)
            self._as_user = ["runuser", "-u", self._user, "--"]
        self._databases = 0

    def __enter__(self) -> PostgreSQL:
        self._run("initdb", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._base)

    @property
    def pid(self) -> int:
        """Of its first process, which all others are children of."""
        return int((self._base / "data" / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        settings = {"listen_addresses": "''", "unix_socket_directories": self._base, "fsync": self._fsync,
                    "max_connections": 200}  # fmt: skip
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self._base / "log"), "start")

    def kill(self) -> None:
        """As a machine that loses power: what was not committed is gone, and recovered from at the next start."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        self._databases += 1
        name = f"t{self._databases}"
        psql = ["psql", "-h", str(self._base), "-U", self._user, "-q", "-c", f"create database {name}", "postgres"]
        subprocess.run(psql, check=True)
        return f"postgresql+psycopg://{self._user}@/{name}?host={self._base}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(_PROGRAMS[-1] / program), "-D", str(self._base / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
