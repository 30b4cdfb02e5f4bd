"""Daemons that are killed are started again; those of a service manager are left to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.cli import libvirtd
from frazil.cli.libvirtd import Places
from frazil.cli.supervisor.daemon_watch import DaemonWatch

PROGRAM = """#!{python}
import os, socket, sys
path = "{path}"
if os.path.exists("{broken}"):
    sys.exit("it is broken")
try:
    os.unlink(path)
except FileNotFoundError:
    pass
if os.fork():  # returns only when it listens, as the real ones do
    os.wait()
    sys.exit(0)
os.setsid()
if os.fork():
    sys.exit(0)
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen(16)
while True:
    listening.accept()[0].close()
"""


class Daemons:
    """Two programs that stand for libvirtd and virtlogd."""

    def __init__(self, place: Path) -> None:
        self.broken = place / "broken"
        self.places = Places(
            run=place,
            systemd=place / "none",
            daemon=place / "libvirtd",
            log_daemon=place / "virtlogd",
            logs=place / "log",
        )
        for program, socket in ((self.places.daemon, "libvirt-sock"), (self.places.log_daemon, "virtlogd-sock")):
            program.write_text(PROGRAM.format(python=sys.executable, path=place / socket, broken=self.broken))
            program.chmod(0o755)
        self.said: list[str] = []

    def pid(self, socket: str) -> int:
        return libvirtd.listener(self.places.run / socket) or 0

    def watch(self) -> DaemonWatch:
        return DaemonWatch(uri=libvirtd.SYSTEM_URI, say=self.said.append, places=self.places)

    async def there(self, socket: str, *, but: int = 0) -> int:
        async with asyncio.timeout(30):
            while self.pid(socket) in (0, but):
                await asyncio.sleep(0.02)
        return self.pid(socket)


@pytest.fixture
def daemons(place: Path) -> Iterator[Daemons]:
    made = Daemons(place)
    yield made
    for socket in ("libvirt-sock", "virtlogd-sock"):
        if pid := made.pid(socket):
            os.kill(pid, signal.SIGKILL)


async def test_each_one_that_is_killed_comes_back(daemons: Daemons) -> None:
    watching = asyncio.ensure_future(daemons.watch().run())
    for socket, other in (("libvirt-sock", "virtlogd-sock"), ("virtlogd-sock", "libvirt-sock")):
        pid, spared = await daemons.there(socket), await daemons.there(other)
        os.kill(pid, signal.SIGKILL)
        await daemons.there(socket, but=pid)
        assert daemons.pid(other) == spared
    assert any("is started again" in words for words in daemons.said)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_one_that_does_not_start_is_tried_until_it_does(daemons: Daemons) -> None:
    daemons.broken.touch()
    watching = asyncio.ensure_future(daemons.watch().run())
    async with asyncio.timeout(30):
        while not daemons.said:
            await asyncio.sleep(0.02)
    assert "it is broken" in daemons.said[0]
    assert "it is broken" in (daemons.places.logs / "virtlogd.log").read_text(), "the log outlives an installation"
    daemons.broken.unlink()
    await daemons.there("libvirt-sock")
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert len([words for words in daemons.said if "can't be started" in words]) == 1


async def test_a_service_managers_daemon_is_left_to_it(daemons: Daemons) -> None:
    managed = Places(**{**{name: getattr(daemons.places, name) for name in ("run", "daemon", "log_daemon")},
                        "systemd": daemons.places.run})  # fmt: skip
    watch = DaemonWatch(uri=libvirtd.SYSTEM_URI, say=daemons.said.append, places=managed)
    await asyncio.wait_for(watch.run(), 20)
    assert daemons.pid("libvirt-sock") == 0
