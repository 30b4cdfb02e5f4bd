"""The three processes under their supervisor: who they are, and what happens when one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from frazil.cli.supervisor import lock
from tests.integration.cli.installation import Installation, wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]


def test_they_are_who_they_are_each_comes_back_and_all_go_with_their_supervisor(installation: Installation) -> None:
    one = installation
    one.frazil("up", "--detach", "--no-first-desktop")
    supervisor = lock.holder(one.settings)
    assert supervisor is not None
    _are_who_they_are(one, supervisor)
    for name in ("gateway", "controller", "server"):
        pid = _children(supervisor)[name]
        os.kill(pid, signal.SIGKILL)
        wait_for(partial(_says_back, one, name))
        assert _children(supervisor)[name] != pid
    assert one.ask("user", "list") == []
    pids = list(_children(supervisor).values())
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not any(_lives(pid) for pid in pids))
    one.frazil("up", "--detach", "--no-first-desktop")


def _are_who_they_are(one: Installation, supervisor: int) -> None:
    for name, user in (("controller", "frazil-controller"), ("gateway", "frazil-gateway"), ("server", "root")):
        pid = _children(supervisor)[name]
        owner = subprocess.run(["ps", "-o", "user:32=", "-p", str(pid)], capture_output=True, text=True, check=True)
        assert owner.stdout.strip() == user
        status = Path(f"/proc/{pid}/status").read_text()
        assert ("CapEff:\t0000000000000000" in status) == (name != "server")
    assert _stat(one.settings.public_socket) == ("frazil-controller", "frazil-gateway")
    assert _stat(one.settings.display_socket)[1] == "frazil-gateway"


def _says_back(one: Installation, name: str) -> bool:
    return f"The {name} is back." in one.up_log()


def _children(pid: int) -> dict[str, int]:
    """The three processes by their name."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"frazil.cli.main" in words:
            found[words[words.index(b"frazil.cli.main") + 1].decode()] = int(child)
    return found


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _stat(path: Path) -> tuple[str, str]:
    return path.owner(), path.group()
