"""A host on a network of its own, whose line is cut: who looks at a desktop there is told soon, and comes back to it
when the line is mended; an image on its way there goes on from where it was.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.gateway.close_codes import CloseCode
from frazil.model.desktop import Phase
from frazil.model.errors import Conflict
from frazil.wire.rest import SessionRequest, Ticket
from tests.harness.apart import Apart
from tests.harness.arriving import arrives_though_it_is_cut
from tests.harness.headless import cut_off, viewer
from tests.harness.joined_host import JoinedHost
from tests.harness.machine import possible
from tests.harness.ports import free_port
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

pytestmark = pytest.mark.skipif(not possible(), reason="needs namespaces")
TOLD_WITHIN_S = 30
IMAGE_MIB, CUT_AFTER_MIB = 64, 20


@pytest.fixture
def stack() -> Iterator[Stack]:
    listen, displays = (f"0.0.0.0:{free_port()}" for _ in range(2))
    with Stack(fake=True, hosts_listen=listen, displays_listen=displays, heartbeat_s=1.0) as made:
        yield made.start()


@pytest.fixture
def apart() -> Iterator[Apart]:
    with Apart("fz-cut", here="10.205.8.1", there="10.205.8.2") as made:
        yield made


@pytest.fixture
def far(stack: Stack, apart: Apart) -> Iterator[JoinedHost]:
    """The only host that takes desktops."""
    stack.empty_image(ready_when="service")
    with JoinedHost(apart=apart) as host:
        host.join(stack.root.invite_host(), name="far")
        (host.settings.state_dir / "hypervisor").mkdir()
        (host.settings.state_dir / "hypervisor" / "pictures").touch()
        host.start()
        until(lambda: host.is_up(stack), "the host on the other end of the line is up")
        own = next(one for one in stack.root.hosts() if not one.address)
        stack.root.maintain(own.id, maintenance=True)
        yield host


def ticket(person: Person) -> Ticket:
    opened = person.client.open_session(SessionRequest(pool="far"))
    found = opened.ticket or until(
        lambda: person.client.ticket(opened.session.id, wait_s=10), "the desktop is ready", not_yet=(Conflict,)
    )
    assert found is not None
    return found


def held_displays(host: JoinedHost) -> int:
    """How many connections its server has for displays and images now (/proc/PID/net/tcp, proc(5))."""
    port = int(host.settings.displays_listen.rpartition(":")[2])
    lines = Path(f"/proc/{host.pid}/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


@pytest.mark.timeout(300)
def test_who_looks_is_told_within_half_a_minute_and_comes_back(stack: Stack, far: JoinedHost, apart: Apart) -> None:
    stack.pool("far", image="empty", spares=0)
    person = stack.user("ada")
    stack.root.grant("far", person.name)
    looking = viewer(stack.settings.listen, stack.ca, ticket(person))

    def cut() -> None:
        assert held_displays(far) == 3, "main, display and inputs"
        apart.cards.cut()

    told_s, codes = asyncio.run(asyncio.wait_for(cut_off(looking, cut), 120))
    assert told_s < TOLD_WITHIN_S
    assert codes <= {CloseCode.BACKEND_GONE, CloseCode.MAIN_GONE}
    until(lambda: held_displays(far) == 0, "the host has let go of them too", timeout_s=TOLD_WITHIN_S)

    (session,) = person.client.sessions()
    stack.phase(session.desktop.id, Phase.UNKNOWN)
    apart.cards.mend()
    until(lambda: far.is_up(stack), "it is back", timeout_s=90)
    stack.phase(session.desktop.id, Phase.READY)

    async def look() -> None:
        async with viewer(stack.settings.listen, stack.ca, ticket(person)) as seen:
            await seen.picture()
            drawn = await seen.still(for_s=0.2)
            await seen.press("q")
            await seen.picture(after=drawn)

    asyncio.run(look())
    assert person.client.sessions()[0].desktop.id == session.desktop.id


@pytest.mark.timeout(300)
def test_an_image_that_is_cut_in_the_middle_goes_on_from_there(stack: Stack, apart: Apart) -> None:
    file = stack.place / "noise.raw"
    file.write_bytes(os.urandom(IMAGE_MIB << 20))
    done = stack.frazil("image", "import", str(file), "--format", "raw", "--name", "noise", "--ready-when", "running")
    assert done.returncode == 0, done.stderr
    apart.cards.refuse_after(CUT_AFTER_MIB, port=int(stack.settings.displays_listen.rpartition(":")[2]))
    with JoinedHost(apart=apart) as host:
        host.join(stack.root.invite_host(), name="far")
        host.start()
        arrives_though_it_is_cut(stack, host.settings, apart.cards, "noise", after_mib=CUT_AFTER_MIB)
