"""A person's own desktop: what they saved on it is there the next time, unless the pool makes it as new."""

from __future__ import annotations

import os

import pytest

from frazil.model.desktop import Phase
from frazil.wire.rest import SessionRequest
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


@pytest.mark.parametrize("at_sign_out", ["keep", pytest.param("reset", marks=pytest.mark.soak)])
def test_what_a_person_saved_is_there_the_next_time_unless_their_desktop_is_reset(
    stack: Stack, window: Seat, at_sign_out: str
) -> None:
    name = f"own-{at_sign_out}"
    stack.pool(name, label=name, kind="persistent", at_sign_out=at_sign_out, spares=0, max_desktops=1)
    pool, person = stack.root.pool(name), stack.user(f"elza-{at_sign_out}")
    for usable in (name, stack.pool(f"not-{name}", label="Not used", spares=0)):  # of one alone nobody is asked
        stack.root.grant(usable, person.name)
    window.sign_in(person)

    def visit(command: str) -> tuple[str, str]:
        """Open it in the page, do something in one's session, give it back; which desktop it was and what was said."""
        go_now(window.page, stack.url)
        window.open(pool.id)
        session = person.client.open_session(SessionRequest(pool=name)).session
        said = work.in_session(stack.guests, session.desktop.id, command)
        person.client.end_session(session.id)
        return session.desktop.id, said.strip()

    first, _ = visit("as_person sh -c 'echo mine > ~/Documents/kept; sync'")
    if at_sign_out == "keep":
        stack.phase(first, Phase.STOPPED, timeout_s=180)
    assert visit("as_person ls /home/$user/Documents") == (first, "kept" if at_sign_out == "keep" else "")
    assert [one.id for one in stack.root.desktops(pool=name)] == [first]
