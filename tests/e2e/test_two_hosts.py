"""Two real hosts, each with a libvirtd of its own: an image's way there, placement, viewing on either, a cut line,
maintenance.

The second is a machine in namespaces, joined to the first by a pair of virtual network cards, and set up with the
commands that an administrator would use.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from frazil.gateway.close_codes import CloseCode
from frazil.model.desktop import Phase
from frazil.model.errors import Conflict
from frazil.settings import Settings
from frazil.wire.rest import Desktop, HostMaintenance, Session, SessionRequest, Ticket
from tests.harness import work
from tests.harness.apart import Cards, run
from tests.harness.arriving import arrives_though_it_is_cut
from tests.harness.guests import Guests
from tests.harness.headless import cut_off, viewer
from tests.harness.machine import Machine, possible
from tests.harness.ports import free_port
from tests.harness.processes import end
from tests.harness.stack import Person, Stack, configure
from tests.harness.visits import key_to_picture
from tests.harness.waiting import until

pytestmark = [pytest.mark.skipif(not possible(), reason="needs namespaces"), pytest.mark.timeout(900)]
HERE, THERE = "10.205.7.1", "10.205.7.2"
TEMPLATE_S, JOIN_S = 480, 120
CUT_AFTER_MIB = 300
"""Of an image of some 1,000."""
TOLD_WITHIN_S = 30


class Second:
    """The other machine, with a server that was started by `frazil server --join`."""

    def __init__(self, stack: Stack) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="fz-", dir="/var/tmp"))
        self.place.chmod(0o711)
        self.settings = Settings(
            state_dir=self.place / "state",
            run_dir=self.place / "run",
            log_dir=self.place / "log",
            cache_dir=self.place / "cache",
            recipes_dir=stack.settings.recipes_dir,
            displays_listen=f"{THERE}:8445",
            guest_network="closed",
            guest_subnet="10.206.7.0/24",
            ksm=False,
            zram=False,
        )
        self._config = self.place / "frazil.toml"
        configure(self.settings, self._config)
        self.machine = Machine(self.place)
        self.cards = Cards("fz-two", here=HERE, there=THERE, process=self.machine.init, enter=self.machine.enter)
        self._popen: subprocess.Popen[bytes] | None = None

    def join(self, stack: Stack) -> None:
        ensure = "from frazil.cli.libvirtd import ensure_running; ensure_running(uri='qemu:///system')"
        run(*self.machine.enter, sys.executable, "-c", ensure)
        invitation = stack.root.invite_host()
        url = f"https://{HERE}:{invitation.url.rpartition(':')[2]}"
        self.settings.log_dir.mkdir()
        with (self.settings.log_dir / "server.log").open("ab") as log:
            self._popen = subprocess.Popen(
                [*self.machine.enter, sys.executable, "-m", "frazil.cli.main", "server", "--join", url],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "FRAZIL_CONFIG": str(self._config), "HOME": str(self.place)},
                cwd="/",
            )
        assert self._popen.stdin is not None
        with self._popen.stdin as token:
            token.write(invitation.token.encode() + b"\n")

    @property
    def host_id(self) -> str:
        return str(json.loads(self.settings.installation_file.read_text())["host_id"])

    def is_up(self, stack: Stack) -> bool:
        if not self.settings.joined_file.exists():
            return False
        return any(host.id == self.host_id and host.state == "up" for host in stack.root.hosts())

    def log(self) -> str:
        return (self.settings.log_dir / "server.log").read_text()[-4000:]

    def close(self) -> None:
        self.cards.close()
        self.machine.close()  # with all that runs in it
        if self._popen is not None:
            if self._popen.poll() is None:
                end(self._popen.pid, signal.SIGKILL)
            self._popen.wait(timeout=30)
        subprocess.run(["rm", "-rf", str(self.place)], check=True, timeout=60)


@dataclass(frozen=True)
class Two:
    stack: Stack
    second: Second
    person: Person

    @property
    def first_id(self) -> str:
        return next(host.id for host in self.stack.root.hosts() if not host.address)

    def only_on(self, host_id: str) -> None:
        """The other one takes no desktops."""
        for host in self.stack.root.hosts():
            self.stack.root.maintain(host.id, maintenance=host.id != host_id)

    def ticket(self, pool: str) -> Ticket:
        opened = self.person.client.open_session(SessionRequest(pool=pool))
        found = opened.ticket or until(
            lambda: self.person.client.ticket(opened.session.id, wait_s=15),
            "the desktop can be seen",
            timeout_s=TEMPLATE_S,
            not_yet=(Conflict,),
        )
        assert found is not None
        return found

    def session(self, pool: str) -> Session:
        (found,) = [one for one in self.person.client.sessions() if one.pool_name == pool]
        return found

    def desktop(self, pool: str) -> Desktop:
        return self.stack.root.desktop(self.session(pool).desktop.id)

    def guests(self, host_id: str) -> Guests:
        enter = self.second.machine.enter if host_id == self.second.host_id else ()
        return Guests(self.stack.settings.libvirt_uri, self.stack.installation_id, enter=enter)

    def left(self) -> HostMaintenance:
        """What is still on the second host, which is in maintenance."""
        found = self.stack.root.host(self.second.host_id).maintenance
        assert found is not None
        return found

    def only_place(self, pool: str, host_id: str) -> Desktop:
        """The pool's one desktop, once it is ready on that host and there is no other."""
        places = [host_id]
        until(
            lambda: [one.host_id for one in self.stack.root.desktops(pool=pool)] == places,
            lambda: f"the only desktop of {pool} is on the host {host_id}: {self.stack.root.desktops(pool=pool)}",
            timeout_s=TEMPLATE_S,
        )
        (found,) = self.stack.desktops(pool, count=1)
        return found

    def terminal(self, pool: str) -> None:
        """A terminal on the person's screen, which keys go to."""
        desktop = self.desktop(pool)
        assert desktop.host_id is not None
        work.in_session(self.guests(desktop.host_id), desktop.id, "left_open xterm")

    def look(self, pool: str) -> float:
        """Seconds from a key to what it draws in the person's desktop."""
        ticket = self.ticket(pool)

        async def seen() -> float:
            async with viewer(self.stack.settings.listen, self.stack.ca, ticket) as shown:
                await shown.picture(timeout_s=60)
                return await asyncio.wait_for(key_to_picture(shown), 60)

        return asyncio.run(seen())


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    listen = f"0.0.0.0:{free_port()}"
    with Stack(hosts_listen=listen, displays_listen=f"0.0.0.0:{free_port()}", heartbeat_s=1.0) as stack:
        stack.start()
        stack.image()
        second = Second(stack)
        try:
            second.cards.refuse_after(CUT_AFTER_MIB, port=int(stack.settings.displays_listen.rpartition(":")[2]))
            second.join(stack)
            until(lambda: second.is_up(stack), lambda: f"the second host is up: {second.log()}", timeout_s=JOIN_S)
            person = stack.user("ada")
            yield Two(stack, second, person)
        except BaseException:
            print(second.log())
            raise
        finally:
            second.close()


def opens(two: Two, pool: str, host_id: str) -> Desktop:
    """A desktop of a new pool on that host, which is forked there, and looked at."""
    two.only_on(host_id)
    two.stack.pool(pool, spares=0, start="fork", start_deadline_s=900)
    two.stack.root.grant(pool, two.person.name)
    two.ticket(pool)
    two.terminal(pool)
    assert two.look(pool) < 10
    desktop = two.desktop(pool)
    assert desktop.host_id == host_id
    return desktop


def is_cut_off_and_comes_back(two: Two, far: Desktop) -> None:
    stack, second = two.stack, two.second
    looking = viewer(stack.settings.listen, stack.ca, two.ticket("far"))
    told_s, codes = asyncio.run(asyncio.wait_for(cut_off(looking, second.cards.cut), 120))
    assert told_s < TOLD_WITHIN_S
    assert codes <= {CloseCode.BACKEND_GONE, CloseCode.MAIN_GONE}
    until(lambda: not second.is_up(stack), "the second host is silent", timeout_s=60)
    assert stack.phase(far.id, Phase.UNKNOWN).host_id == second.host_id
    assert two.look("near") < 10, "the other host's desktops do not notice"
    second.cards.mend()
    until(lambda: second.is_up(stack), "the second host is back", timeout_s=60)
    stack.phase(far.id, Phase.READY, Phase.PAUSED)
    assert two.look("far") < 10
    assert two.desktop("far").id == far.id


def is_emptied_and_used_again(two: Two, far: Desktop, near: Desktop) -> None:
    """The second host in maintenance: its spare moves, who works there stays, and then it takes desktops again."""
    stack, second = two.stack, two.second
    two.only_on(second.host_id)
    stack.pool("class", spares=1, start="fork", start_deadline_s=900)
    spare = two.only_place("class", second.host_id)
    stack.root.maintain(two.first_id, maintenance=False)

    done = stack.frazil("host", "maintenance", second.host_id, "on")
    assert done.returncode == 0, done.stderr
    moved = two.only_place("class", two.first_id)
    assert moved.id != spare.id
    running = two.guests(second.host_id).ids()
    assert far.id in running
    assert spare.id not in running
    assert moved.id in two.guests(two.first_id).ids()
    assert (two.left().in_use, two.left().leaving, two.left().done) == (1, 0, False)
    assert two.look("far") < 10
    two.person.client.end_session(two.session("far").id)
    until(lambda: two.left().done, lambda: f"the second host is empty: {two.left()}", timeout_s=120)
    assert far.id not in two.guests(second.host_id).ids()

    done = stack.frazil("host", "maintenance", second.host_id, "off")
    assert done.returncode == 0, done.stderr
    stack.root.maintain(two.first_id, maintenance=True)
    two.only_place("class", second.host_id)
    assert two.desktop("near").id == near.id, "it was in use on the first host all the time"
    assert two.look("near") < 10


def test_two_hosts_are_one_installation_though_the_line_between_them_is_cut(two: Two) -> None:
    second = two.second
    arrives_though_it_is_cut(two.stack, second.settings, second.cards, "debian-icewm", after_mib=CUT_AFTER_MIB)
    far = opens(two, "far", second.host_id)
    assert second.machine.processes("qemu-system-x86"), "it runs in there"
    near = opens(two, "near", two.first_id)
    is_cut_off_and_comes_back(two, far)
    is_emptied_and_used_again(two, far, near)
