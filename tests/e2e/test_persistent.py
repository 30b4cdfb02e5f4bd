"""A person's own desktop: what they saved on it is there the next time, until the pool makes it as new."""

from __future__ import annotations

import os

import pytest

from frazil.model.desktop import Phase
from frazil.wire.rest import PoolChange, SessionRequest
from tests.harness import work
from tests.harness.browser import Seat
from tests.harness.pages import go_now
from tests.harness.stack import Stack

pytestmark = [
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]


def test_what_a_person_saved_is_there_the_next_time_until_their_desktop_is_reset(stack: Stack, window: Seat) -> None:
    pool = stack.root.pool(stack.pool("own", label="My own", kind="persistent", spares=0, max_desktops=1))
    person = stack.user("elza")
    stack.root.grant(pool.name, person.name)
    window.sign_in(person)

    def visit(command: str) -> tuple[str, str]:
        """Open it in the page, do something in one's session, give it back; which desktop it was and what was said."""
        go_now(window.page, stack.url)
        window.open(pool.id)
        session = person.client.open_session(SessionRequest(pool=pool.name)).session
        said = work.in_session(stack.guests, session.desktop.id, command)
        person.client.end_session(session.id)
        return session.desktop.id, said.strip()

    first, _ = visit("as_person sh -c 'echo mine > ~/Documents/kept; sync'")
    stack.phase(first, Phase.STOPPED, timeout_s=180)
    stack.root.change_pool(stack.root.pool(pool.name), PoolChange(at_sign_out="reset"))
    assert visit("as_person cat /home/$user/Documents/kept") == (first, "mine")
    assert visit("as_person ls /home/$user/Documents") == (first, "")
    assert [one.id for one in stack.root.desktops(pool=pool.name)] == [first]
