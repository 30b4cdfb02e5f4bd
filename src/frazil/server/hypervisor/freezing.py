"""Freezing a domain into a file and loading that into a fork, by QEMU's own monitor.

RAM is not in the stream (`x-ignore-shared`): it is in the template's file already, and a fork maps that file. What is
left is the devices' state, a few megabytes. All functions block and are called in a connection's thread.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import libvirt
import libvirt_qemu

from frazil import failpoint
from frazil.model.errors import HostError, OutOfSpace

DEADLINE_S = 60.0
LOOK_EVERY_S = 0.003
UNLIMITED_BYTES_PER_S = 1 << 40
FD_NAME = "frazil-state"
IGNORE_SHARED = "x-ignore-shared"


def _monitor(domain: libvirt.virDomain, execute: str, arguments: Mapping[str, object] | None = None) -> object:
    """One command of QEMU's monitor; HostError with its words when QEMU refuses."""
    command = json.dumps({"execute": execute, "arguments": arguments or {}})
    return _answer(execute, libvirt_qemu.qemuMonitorCommand(domain, command, 0))


def _answer(execute: str, text: str) -> object:
    answer = json.loads(text)
    if "error" in answer:
        raise HostError(f"QEMU refused {execute}: {answer['error'].get('desc', 'no reason given')}.")
    return answer["return"]


def _ignore_shared(domain: libvirt.virDomain, state: bool) -> None:
    capability = {"capability": IGNORE_SHARED, "state": state}
    _monitor(domain, "migrate-set-capabilities", {"capabilities": [capability]})


def _give(domain: libvirt.virDomain, fd: int) -> None:
    """Pass an open file to QEMU under FD_NAME: confined as it is by libvirt, it may not open it itself."""
    command = json.dumps({"execute": "getfd", "arguments": {"fdname": FD_NAME}})
    text, _files = libvirt_qemu.qemuMonitorCommandWithFiles(domain, command, [fd], 0)
    _answer("getfd", text)


def _await_migration(domain: libvirt.virDomain, *, doing: str) -> None:
    """Wait for the transfer's end. libvirt hands no event for a transfer that it did not begin, so this asks."""
    end = time.monotonic() + DEADLINE_S
    while True:
        status = _monitor(domain, "query-migrate")
        assert isinstance(status, dict)
        match status.get("status"):
            case "completed":
                return
            case "failed" | "cancelled":
                raise HostError(f"QEMU failed to {doing}: {status.get('error-desc', 'no reason given')}.")
        if time.monotonic() > end:
            raise HostError(f"QEMU did not {doing} within {DEADLINE_S:.0f} s.")
        time.sleep(LOOK_EVERY_S)


def freeze(domain: libvirt.virDomain, state: Path) -> None:
    """Stop the domain and write its device state into the new file `state`. It must never run again."""
    domain.suspend()
    _ignore_shared(domain, True)
    _monitor(domain, "migrate-set-parameters", {"max-bandwidth": UNLIMITED_BYTES_PER_S})
    fd = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _give(domain, fd)
        _monitor(domain, "migrate", {"uri": f"fd:{FD_NAME}"})
        failpoint.reach("server.template-freezing")
        try:
            _await_migration(domain, doing="write the frozen state")
        except HostError as exc:
            free = os.fstatvfs(fd)
            if free.f_bavail * free.f_frsize < 1 << 20:
                raise OutOfSpace(f"{state.parent} is full.", remedy="Free disk space on this host.") from exc
            raise
        os.fsync(fd)
    finally:
        os.close(fd)


def thaw(domain: libvirt.virDomain, state: Path) -> None:
    """Load `state` into a domain that waits for it; it is paused then. Raises HostError."""
    _ignore_shared(domain, True)
    try:
        fd = os.open(state, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise HostError(f"The frozen state can't be read: {exc}.") from exc
    try:
        _give(domain, fd)
    finally:
        os.close(fd)
    _monitor(domain, "migrate-incoming", {"uri": f"fd:{FD_NAME}"})
    _await_migration(domain, doing="load the frozen state")
    # libvirt does not know of it, and whoever takes a save or a migration of this fork refuses the stream with it.
    _ignore_shared(domain, False)
