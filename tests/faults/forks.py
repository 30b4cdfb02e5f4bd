"""Forks on a machine of its own: the server is held in one phase, something is killed in it, and is all whole then?"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frazil.model.desktop import Phase
from frazil.model.errors import Unavailable
from frazil.server.density import measuring
from frazil.server.desktops.directory import DISK, RECORD, Record
from frazil.server.hypervisor.guest_network import network_name
from frazil.server.templates.store import MANIFEST, Manifest
from frazil.wire.rest import Desktop, PoolChange
from tests.faults import database
from tests.faults.holdings import Holdings, holdings
from tests.harness.machine import Machine
from tests.harness.processes import end
from tests.harness.stack import Stack
from tests.harness.waiting import until

QEMU = "qemu-system-x86"
LIBVIRTD = "libvirtd"
SMALL = {"memory_mib": 512}
"""A template clears what its guest does not use: that takes the less time the less there is."""
TEMPLATE_TIMEOUT_S = 400.0
DEADLINE_S = 90.0


class Forks:
    """A stack on a machine of its own, with one pool of forks. Its server is given orders while it runs."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.pool = ""
        self._order = stack.place / "order"

    def start(self) -> None:
        """Bring it up; it halts where it is ordered to."""
        self.stack.start({"FRAZIL_FAILPOINT": f"@{self._order}"})

    @property
    def machine(self) -> Machine:
        assert self.stack.machine is not None
        return self.stack.machine

    # --- what is wanted ----------------------------------------------------------------------------------------------

    def make_pool(self, name: str, *, spares: int) -> None:
        """Ask for the pool that all else here is about."""
        self.pool = self.stack.pool(name, spares=spares, max_desktops=12, pause_after_s=0, profile=SMALL)

    def want(self, spares: int) -> None:
        self.stack.root.change_pool(self.stack.root.pool(self.pool), PoolChange(spares=spares))

    # --- what is done to it ------------------------------------------------------------------------------------------

    def order(self, place: str) -> None:
        """Have the server stop when it comes to `place` next."""
        part = self._order.with_suffix(".new")
        part.write_text(f"{place}:1:stop")
        part.replace(self._order)

    @contextmanager
    def held(self, place: str) -> Iterator[None]:
        """Wait until the server has stopped at `place`, as it was ordered to; it goes on afterwards."""
        pid = self.stack.pid("server")
        assert pid is not None
        until(lambda: _state(pid) == "T", f"the server comes to {place}", timeout_s=TEMPLATE_TIMEOUT_S)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):  # it may have ended with its machine
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def half_made(self, place: str, *, spares: int) -> Iterator[str]:
        """One more spare is wanted, and the server is held at `place` with it. Its id."""
        before = {one.id for one in self.desktops()}
        self.order(place)
        self.want(spares)
        with self.held(place):
            (made,) = {one.id for one in self.desktops()} - before
            yield made

    def kill_libvirtd(self) -> None:
        """Frazil's supervisor starts it again."""
        (pid,) = self.machine.processes(LIBVIRTD)
        end(pid, signal.SIGKILL)

    def kill_qemu(self, domain_id: str) -> None:
        """The one of this desktop, or of a template's own domain."""
        end(measuring.processes()[domain_id].pid, signal.SIGKILL)

    # --- what there is -----------------------------------------------------------------------------------------------

    def desktops(self) -> list[Desktop]:
        return self.stack.root.desktops(pool=self.pool)

    def blames(self, desktop_id: str) -> list[str]:
        """What is said of a desktop that should not be said of one that was well."""
        events = self.stack.root.desktop_events(desktop_id)
        return [f"{event.kind}: {event.text}" for event in events if "fail" in event.kind or "restart" in event.kind]

    def templates(self) -> list[Manifest]:
        """Those that are whole."""
        found = self.stack.settings.templates_dir.glob(f"[!.]*/{MANIFEST}")
        return [Manifest(**json.loads(path.read_text())) for path in sorted(found)]

    def record(self, desktop_id: str) -> Record:
        """What the host keeps of a desktop."""
        return Record.from_json((self.stack.settings.desktops_dir / desktop_id / RECORD).read_text())

    def holdings(self) -> Holdings:
        """What the processes that make forks hold, and how many files lie where they keep them."""
        (libvirtd,) = self.machine.processes(LIBVIRTD)
        server = self.stack.pid("server")
        assert server is not None
        inside, settings = self.machine.root, self.stack.settings
        directories = {
            "state": settings.state_dir,
            "run": settings.run_dir,
            "libvirt's state": inside / "var/lib/libvirt",
            "libvirt's run": inside / "run/libvirt",
        }
        return holdings({"server": server, "libvirtd": libvirtd}, directories)

    # --- is it whole? ------------------------------------------------------------------------------------------------

    def whole(self, spares: int) -> None:
        """Wait until there are these forks, all ready, and nothing besides."""
        until(
            lambda: not self.wrong(spares),
            lambda: f"all is whole, but: {self.wrong(spares)}",
            timeout_s=DEADLINE_S,
            not_yet=(Unavailable,),
        )

    def wrong(self, spares: int) -> list[str]:
        """What is not as it should be while there are `spares` desktops; empty when all is well."""
        desktops = self.stack.root.desktops()
        if len(desktops) != spares or {one.phase for one in desktops} - {Phase.READY}:
            return [f"not {spares} ready desktops: {[(one.name, one.phase.value, one.why) for one in desktops]}"]
        ids = {one.id for one in desktops}
        found = database.contradictions(self.stack.settings) + self._wrong_domains(ids) + self._wrong_files(ids)
        if strays := self.stack.root.strays():
            found.append(f"strays: {strays}")
        return found

    def _wrong_domains(self, ids: set[str]) -> list[str]:
        found = []
        listed = [line.split(maxsplit=2) for line in self.stack.guests.virsh("list", "--all").splitlines() if line]
        if states := {name: state for _, name, state in listed if state != "running"}:
            found.append(f"half made: {states}")
        if (domains := set(self.stack.guests.ids())) != ids or len(listed) != len(ids):
            found.append(f"domains without a desktop or the other way round: {domains ^ ids}")
        if len(processes := self.machine.processes(QEMU)) != len(ids):
            found.append(f"{len(processes)} QEMU processes for {len(ids)} desktops")
        if len(taps := self._taps()) != len(ids):
            found.append(f"{taps} for {len(ids)} network cards")
        return found

    def _taps(self) -> list[str]:
        """The ends of network cards in this machine."""
        said = subprocess.run(
            [*self.machine.enter, "ls", "/sys/class/net"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
        prefix = f"fz{network_name(self.stack.installation_id)[-6:]}-"
        return [name for name in said.split() if name.startswith(prefix)]

    def _wrong_files(self, ids: set[str]) -> list[str]:
        settings, found = self.stack.settings, []
        if (disks := set(self.stack.disks())) != ids:
            found.append(f"disks without a desktop or the other way round: {disks ^ ids}")
        if odd := [files for files in map(_names, settings.desktops_dir.iterdir()) if files != {RECORD, DISK}]:
            found.append(f"half made disks: {odd}")
        if left := _names(settings.templates_dir / ".staging"):
            found.append(f"half a template: {left}")
        return found


def _names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


def _state(pid: int) -> str:
    """The process's state in one letter (proc(5), `stat`): T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
