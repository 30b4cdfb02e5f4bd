"""One of the three processes: how it is started, as whom, and what it may do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from frazil.cli.supervisor.accounts import Account, Accounts
from frazil.cli.supervisor.code import Code
from frazil.settings import Settings

PASSED_ON = ("PATH", "LANG", "TZ", "FRAZIL_CONFIG")
PRIVILEGED_PORTS = 1024
ROTATE_AT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """`prefix` sets the user and what is left of root's rights; `code` says where our Python is.

    `command`: what `frazil` is told to run, where that is not the name.
    `ahead`: it goes before desktops where processors are busy.
    `umask`: the server makes directories that QEMU's user passes through; the others make nothing for others.
    """

    name: str
    prefix: tuple[str, ...]
    code: Code
    log: Path
    command: tuple[str, ...] = ()
    ahead: bool = False
    umask: int = 0o027

    def argv(self, ready_fd: int) -> list[str]:
        command = self.command or (self.name,)
        ours = [str(self.code.python), "-m", "frazil.cli.main", *command, "--ready-fd", str(ready_fd)]
        return [*self.prefix, "--", *ours]

    def environment(self, given: Mapping[str, str], *, first: bool) -> dict[str, str]:
        """What the process sees of our environment. A failpoint kills it once, not at every start."""
        names = (*PASSED_ON, "FRAZIL_FAILPOINT") if first else PASSED_ON
        return environment(given, self.code, names)

    def open_log(self) -> int:
        """The log file's descriptor, for appending; a long one is put aside first. Only root and its group read it."""
        if self._log_is_long():
            self.log.replace(self._log_aside)
        return os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def shorten_log(self) -> None:
        """Put the end of a long log aside while the process writes to it: copied, then emptied in place.

        The process appends, so it goes on at the start of the file. A line that it writes between the copy's end and
        the emptying is lost. Raises OSError when there is no room; the log stays as it is then.
        """
        if not self._log_is_long():
            return
        with self.log.open("r+b") as log, open(self._log_aside, "wb", opener=_for_our_group) as aside:
            log.seek(-ROTATE_AT_BYTES, os.SEEK_END)
            log.readline()  # the rest of a line
            shutil.copyfileobj(log, aside)
            aside.flush()
            log.truncate(0)

    def _log_is_long(self) -> bool:
        return self.log.exists() and self.log.stat().st_size > ROTATE_AT_BYTES

    @property
    def _log_aside(self) -> Path:
        return self.log.with_suffix(".log.1")

    def end_of_log(self, lines: int = 6) -> str:
        """The log's last lines."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _for_our_group(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)


def children(settings: Settings, accounts: Accounts, *, own: Code, others: Code) -> list[Child]:
    """Controllers, server and gateway of this machine."""
    port = int(settings.listen.rpartition(":")[2])
    bind = "net_bind_service" if port < PRIVILEGED_PORTS else None
    controllers = {
        f"controller-{number}": ("controller", "--number", str(number)) for number in range(2, settings.controllers + 1)
    }
    prefixes = {
        **dict.fromkeys(("controller", *controllers), (unprivileged(accounts.controller), others)),
        # dies with its supervisor, as the others do: two servers for one host must not be
        "server": (("setpriv", "--pdeathsig", "TERM"), own),
        "gateway": (unprivileged(accounts.gateway, bind), others),
    }
    return [
        Child(
            name=name,
            prefix=prefix,
            code=code,
            log=settings.log_dir / f"{name}.log",
            command=controllers.get(name, ()),
            # not the server: what it starts builds images, and folds memory
            ahead=name != "server",
            umask=0o022 if name == "server" else 0o027,
        )
        for name, (prefix, code) in prefixes.items()
    ]


def environment(given: Mapping[str, str], code: Code, names: Sequence[str] = PASSED_ON) -> dict[str, str]:
    """What a process of ours sees of our environment."""
    seen = {name: given[name] for name in names if name in given}
    if code.path:
        seen["PYTHONPATH"] = code.path
    return {**seen, "PYTHONUNBUFFERED": "1", "HOME": "/nonexistent"}


def unprivileged(account: Account, capability: str | None = None) -> tuple[str, ...]:
    """Become `account`, for good and with nothing of root's rights but `capability`."""
    who = ("setpriv", "--reuid", str(account.uid), "--regid", str(account.gid), "--init-groups", "--no-new-privs")
    if capability is None:
        rights: tuple[str, ...] = ("--inh-caps=-all", "--bounding-set=-all")
    else:
        only = f"-all,+{capability}"
        rights = (f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}")
    return (*who, *rights, "--pdeathsig", "TERM")
