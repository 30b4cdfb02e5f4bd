"""Desktops on a host that has joined: their image travels there, they are seen through the gateway, and can be lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from frazil.gateway.close_codes import CloseCode
from frazil.model.errors import Conflict
from frazil.wire.rest import Desktop, SessionRequest, Ticket
from tests.harness.headless import cut_off, viewer
from tests.harness.joined_host import JoinedHost, at
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

REVOKED_WITHIN_S = 10
"""Much less than a lost line takes to be noticed; a second where the machine has nothing else to do."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(fake=True, hosts_listen=at(), displays_listen=at(), heartbeat_s=1.0) as made:
        yield made.start()


@pytest.fixture(scope="module")
def second(stack: Stack) -> Iterator[JoinedHost]:
    """A host with an image that came from the first one. The first one takes no desktops."""
    stack.empty_image(ready_when="service")
    with JoinedHost() as host:
        host.join(stack.root.invite_host(), name="second")
        (host.settings.state_dir / "hypervisor").mkdir()
        (host.settings.state_dir / "hypervisor" / "pictures").touch()
        host.start()
        until(lambda: host.is_up(stack), "the second host is up")
        own = next(one for one in stack.root.hosts() if not one.address)
        stack.root.maintain(own.id, maintenance=True)
        yield host


@pytest.fixture(scope="module")
def desktop(stack: Stack, second: JoinedHost) -> Desktop:
    stack.pool("far", image="empty", spares=1)
    found = stack.desktops("far", count=1)[0]
    assert found.host_name == stack.root.host(second.host_id).name
    return found


@pytest.fixture(scope="module")
def person(stack: Stack) -> Person:
    return stack.user("ada")


def ticket(stack: Stack, person: Person) -> Ticket:
    """For the person's session, which is opened at the first time."""
    stack.root.grant("far", person.name)
    opened = person.client.open_session(SessionRequest(pool="far"))
    if opened.ticket is not None:
        return opened.ticket
    found = until(
        lambda: person.client.ticket(opened.session.id, wait_s=10), "the desktop is ready", not_yet=(Conflict,)
    )
    assert found is not None
    return found


def session_id(stack: Stack, person: Person) -> str:
    ticket(stack, person)
    (session,) = person.client.sessions()
    return session.id


async def look(stack: Stack, ticket: Ticket) -> float:
    """Seconds from a key to what it draws."""
    async with viewer(stack.settings.listen, stack.ca, ticket) as seen:
        await seen.picture()
        drawn = await seen.still(for_s=0.2)
        loop = asyncio.get_running_loop()
        pressed_s = loop.time()
        await seen.press("q")
        await seen.picture(after=drawn)
        return loop.time() - pressed_s


def test_the_image_is_the_same_on_both(stack: Stack, second: JoinedHost, desktop: Desktop) -> None:
    image_id = stack.root.image("empty").id
    disks = [of.settings.images_dir / image_id / "disk.qcow2" for of in (stack, second)]
    assert disks[0].read_bytes() == disks[1].read_bytes()


def test_a_desktop_on_the_second_host_is_seen_and_typed_into(stack: Stack, desktop: Desktop, person: Person) -> None:
    assert asyncio.run(look(stack, ticket(stack, person))) < 5


def test_a_desktop_is_seen_again_after_its_hosts_server_died(
    stack: Stack, second: JoinedHost, desktop: Desktop, person: Person
) -> None:
    used = session_id(stack, person)
    second.stop(signal.SIGKILL)
    until(lambda: not second.is_up(stack), "it is silent", timeout_s=30)
    second.start()
    until(lambda: second.is_up(stack), "it is back")
    assert session_id(stack, person) == used
    assert asyncio.run(look(stack, ticket(stack, person))) < 5


def test_who_is_revoked_has_no_desktops_to_show_until_it_joins_again(
    stack: Stack, second: JoinedHost, desktop: Desktop, person: Person
) -> None:
    used = session_id(stack, person)
    looking = viewer(stack.settings.listen, stack.ca, ticket(stack, person))
    told_s, codes = asyncio.run(asyncio.wait_for(cut_off(looking, lambda: stack.root.revoke_host(second.host_id)), 60))
    assert told_s < REVOKED_WITHIN_S
    assert codes <= {CloseCode.BACKEND_GONE, CloseCode.MAIN_GONE}
    with pytest.raises(Conflict, match="trusted no more"):
        person.client.ticket(used)
    until(lambda: not second.is_up(stack), "it is silent", timeout_s=30)
    with pytest.raises(Conflict, match="trusted no more"):
        person.client.ticket(used)
    second.stop()
    second.join(stack.root.invite_host(), name="second")
    second.start()
    until(lambda: second.is_up(stack), "it is back")
    assert asyncio.run(look(stack, ticket(stack, person))) < 5
