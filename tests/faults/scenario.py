"""Twenty desktops are made, used and deleted while one process is killed on the way."""

from __future__ import annotations

from frazil.spice.link_errors import LinkError
from tests.faults.failpoints import Death, During
from tests.faults.installation import Installation

DESKTOPS = 20


def survive(installation: Installation, death: Death, *, count: int = DESKTOPS) -> None:
    """AssertionError unless the process died there, and all came out as if it had not."""
    one = installation
    one.arm(death)
    one.ask_for(count, fork=death.during is During.FORKING)
    if death.during in (During.OPENING, During.LINKING):
        sessions = one.open_sessions()
        assert len({session.desktop.id for session in sessions}) == len(one.people), "a desktop was given twice"
        if death.during is During.LINKING:
            for session, person in zip(sessions, one.people, strict=True):
                assert one.link(session, person).result is LinkError.OK
    if death.during is not During.DELETING:
        one.died(death)
    one.twenty_are_ready(count)
    if death.during in (During.OPENING, During.LINKING):
        again = one.open_sessions()
        assert [session.id for session in again] == [session.id for session in sessions]
        for session, person in zip(again, one.people, strict=True):
            assert one.link(session, person).result is LinkError.OK
    one.delete_pool()
    if death.during is During.DELETING:
        one.died(death)
    one.nothing_is_left()
    assert one.deaths() == [death.process]
