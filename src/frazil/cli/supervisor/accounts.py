"""The system users that controller and gateway run as."""

from __future__ import annotations

import pwd
import subprocess
from dataclasses import dataclass

from frazil.model.errors import HostError

CONTROLLER = "frazil-controller"
GATEWAY = "frazil-gateway"


@dataclass(frozen=True, slots=True)
class Account:
    """A system user with a group of its own of the same name."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Accounts:
    controller: Account
    gateway: Account


def ensure() -> Accounts:
    """Both users; made where they are missing. Needs root."""
    return Accounts(_ensure(CONTROLLER), _ensure(GATEWAY))


def _ensure(name: str) -> Account:
    found = _find(name)
    if found is not None:
        return found
    argv = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    argv += ["--shell", "/usr/sbin/nologin", name]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    found = _find(name)
    if found is None:
        raise HostError(
            f"The system user {name} could not be made: {done.stderr.strip()}",
            remedy=f"Make it by hand: {' '.join(argv)}",
        )
    return found


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)
