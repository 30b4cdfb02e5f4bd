"""The UNIX sockets that the controller listens on."""

from __future__ import annotations

import socket
from pathlib import Path

from frazil.model.errors import Conflict, InvalidInput

MODE = 0o660
BACKLOG = 256
PATH_MAX_BYTES = 107
"""sun_path less its NUL (unix(7))."""


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`. One that nobody answers on is replaced; a living one is a Conflict.

    Its directory decides who can reach it, and is made by the supervisor.
    """
    if len(str(path).encode()) > PATH_MAX_BYTES:
        raise InvalidInput(
            f"The path {path} is too long for a socket: {PATH_MAX_BYTES} bytes are possible.",
            remedy="Choose a shorter run_dir in the settings.",
        )
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if _alive(path):
        raise Conflict(
            f"Another controller is listening on {path}.", remedy="Stop it first: `frazil down`, or its service."
        )
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(path))
        path.chmod(MODE)
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except TimeoutError:
            return True
    return True
