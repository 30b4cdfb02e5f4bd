"""Two real hosts, each with a libvirtd of its own: placement, viewing on either, a cut line, maintenance.

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

from frazil.model.desktop import Phase
from frazil.model.errors import Conflict
from frazil.settings import Settings
from frazil.wire.rest import Desktop, SessionRequest, Ticket
from tests.harness import work
from tests.harness.guests import Guests
from tests.harness.headless import viewer
from tests.harness.machine import Machine, possible
from tests.harness.ports import free_port
from tests.harness.processes import end
from tests.harness.stack import Person, Stack, configure
from tests.harness.visits import key_to_picture
from tests.harness.waiting import until

pytestmark = [pytest.mark.skipif(not possible(), reason="needs namespaces"), pytest.mark.timeout(600)]
HERE, THERE = "10.205.7.1", "10.205.7.2"
CARD, THEIR_CARD = "fz-two-here", "fz-two-there"
IMAGE_S, TEMPLATE_S, JOIN_S = 300, 300, 120


def run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)


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
        run("ip", "link", "add", CARD, "type", "veth", "peer", "name", THEIR_CARD, "netns", str(self.machine.init))
        run("ip", "address", "add", f"{HERE}/24", "dev", CARD)
        run("ip", "link", "set", CARD, "up")
        run(*self.machine.enter, "ip", "address", "add", f"{THERE}/24", "dev", THEIR_CARD)
        run(*self.machine.enter, "ip", "link", "set", THEIR_CARD, "up")
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
        subprocess.run(["ip", "link", "delete", CARD], check=False, timeout=60, capture_output=True)
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

    def desktop(self, pool: str) -> Desktop:
        (session,) = [one for one in self.person.client.sessions() if one.pool_name == pool]
        return self.stack.root.desktop(session.desktop.id)

    def terminal(self, pool: str) -> None:
        """A terminal on the person's screen, which keys go to."""
        desktop = self.desktop(pool)
        enter = self.second.machine.enter if desktop.host_id == self.second.host_id else ()
        guests = Guests(self.stack.settings.libvirt_uri, self.stack.installation_id, enter=enter)
        work.in_session(guests, desktop.id, "left_open xterm")

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
            second.join(stack)
            until(lambda: second.is_up(stack), lambda: f"the second host is up: {second.log()}", timeout_s=JOIN_S)
            person = stack.user("ada")
            yield Two(stack, second, person)
        except BaseException:
            print(second.log())
            raise
        finally:
            second.close()


def test_desktops_on_either_host_are_seen_and_a_line_that_is_cut_loses_none(two: Two) -> None:
    stack, second = two.stack, two.second
    image_id = stack.root.image("debian-icewm").id
    copied = second.settings.images_dir / image_id / "disk.qcow2"
    until(copied.exists, "the image has come to the second host", timeout_s=IMAGE_S)
    assert copied.stat().st_size == (stack.settings.images_dir / image_id / "disk.qcow2").stat().st_size

    two.only_on(second.host_id)
    stack.pool("far", spares=0, start="fork", start_deadline_s=900)
    stack.root.grant("far", two.person.name)
    two.ticket("far")
    two.terminal("far")
    assert two.look("far") < 10
    far = two.desktop("far")
    assert far.host_name == stack.root.host(second.host_id).name
    assert second.machine.processes("qemu-system-x86") or second.machine.processes("qemu-system-x86_64"[:15])

    two.only_on(two.first_id)
    stack.pool("near", spares=0, start="fork", start_deadline_s=900)
    stack.root.grant("near", two.person.name)
    two.ticket("near")
    two.terminal("near")
    assert two.look("near") < 10
    assert two.desktop("near").host_name == stack.root.host(two.first_id).name

    run("ip", "link", "set", CARD, "down")
    until(lambda: not second.is_up(stack), "the second host is silent", timeout_s=60)
    assert stack.phase(far.id, Phase.UNKNOWN).host_name == far.host_name
    assert two.look("near") < 10, "the other host's desktops do not notice"
    run("ip", "link", "set", CARD, "up")
    until(lambda: second.is_up(stack), "the second host is back", timeout_s=60)
    stack.phase(far.id, Phase.READY, Phase.PAUSED)
    assert two.look("far") < 10
    assert two.desktop("far").id == far.id
