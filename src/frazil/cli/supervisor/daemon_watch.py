"""Look after libvirt's daemon where no service manager does: when it ends, it is started again at once.

Desktops do not depend on it: QEMU runs on, and the daemon that comes back finds it (libvirt's own state files).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from frazil.cli import libvirtd
from frazil.cli.libvirtd import Places
from frazil.model.errors import FrazilError

RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)
LOOK_EVERY_S = 2.0
"""Where the kernel does not tell which process listens (it is of another namespace), it is asked this often."""


class DaemonWatch:
    """One for each supervisor. Two on one machine do no harm: whoever is second finds it running."""

    def __init__(self, *, uri: str, say: Callable[[str], None], places: Places | None = None) -> None:
        self._uri = uri
        self._say = say
        self._places = places or Places()

    async def run(self) -> None:
        """Until cancelled; returns at once where the daemon is somebody else's to look after."""
        if self._places.systemd.is_dir() or self._uri != libvirtd.SYSTEM_URI:
            return
        failures = 0
        while True:
            try:
                started = await asyncio.to_thread(libvirtd.start, places=self._places)
            except FrazilError as exc:
                if failures == 0:
                    self._say(f"libvirt's daemon can't be started: {exc} It is tried again and again.")
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
                continue
            if started:
                self._say("libvirt's daemon had ended and is started again; running desktops were not touched.")
            failures = 0
            await self._until_one_ends()

    async def _until_one_ends(self) -> None:
        pids = [libvirtd.listener(path) for path in libvirtd.sockets(self._places)]
        async with asyncio.TaskGroup() as tasks:
            ended = asyncio.Event()
            watches = [tasks.create_task(_tell_end(pid, ended)) for pid in pids]
            await ended.wait()
            for watch in watches:
                watch.cancel()


async def _tell_end(pid: int | None, ended: asyncio.Event) -> None:
    """Set `ended` when process `pid` is gone; soon, for another look, when it can't be watched."""
    try:
        descriptor = os.pidfd_open(pid) if pid else None
    except ProcessLookupError:
        ended.set()
        return
    if descriptor is None:
        await asyncio.sleep(LOOK_EVERY_S)
        ended.set()
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
        ended.set()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
