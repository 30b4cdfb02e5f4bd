"""QEMU's monitor, as far as it is given connections to its SPICE server: by libvirt's two commands."""

from __future__ import annotations

import itertools
import json
import socket
from pathlib import Path

DEADLINE_S = 30.0


class Monitor:
    """On a UNIX socket. One task or thread uses it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile(encoding="utf-8")
        self._numbers = itertools.count()
        assert "QMP" in json.loads(self._lines.readline())
        self._ask("qmp_capabilities")

    def add_viewer(self, connection: socket.socket) -> None:
        """QEMU has it from now on. Raises RuntimeError when it is refused, OSError when QEMU is gone."""
        name = f"viewer-{next(self._numbers)}"
        self._ask("getfd", given=connection, fdname=name)
        self._ask("add_client", protocol="spice", fdname=name, skipauth=True)

    def _ask(self, command: str, *, given: socket.socket | None = None, **arguments: object) -> None:
        said = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        socket.send_fds(self._socket, [said], [given.fileno()] if given else [])
        answer: dict[str, object] = {}
        while "return" not in answer:
            answer = json.loads(self._lines.readline() or '{"error": "QEMU ended"}')
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
