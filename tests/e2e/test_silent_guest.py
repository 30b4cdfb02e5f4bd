"""A desktop whose guest never says a word: it fails in time, says why, and can be tried again."""

from __future__ import annotations

import os

import pytest

from frazil.model.desktop import Phase
from tests.harness.browser import Seat
from tests.harness.pages import go_now
from tests.harness.stack import Person, Stack

pytestmark = [
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
DEADLINE_S = 10


@pytest.fixture(scope="module")
def dora(stack: Stack) -> Person:
    """Somebody whose one pool is of disks with nothing on them, and has no second desktop to give instead."""
    stack.empty_image("mute")
    stack.pool(
        "mute", label="Mute", image="mute", spares=0, max_desktops=1, start_deadline_s=DEADLINE_S,
        profile={"memory_mib": 256, "disk_gib": 1},
    )  # fmt: skip
    stack.pool("nothing", label="Nothing", image="mute", spares=0)
    person = stack.user("dora")
    for pool in ("mute", "nothing"):
        stack.root.grant(pool, person.name)
    return person


def test_it_fails_after_its_deadline_with_the_reason_and_can_be_tried_again(
    stack: Stack, dora: Person, window: Seat
) -> None:
    page, pool = window.page, stack.root.pool("mute")
    window.sign_in(dora)
    page.locator(f"#open-{pool.id}").click()
    page.get_by_text("What happens now").wait_for()
    reason = page.get_by_text("The desktop was switched on, but the system inside it did not answer in time.").first
    reason.wait_for()
    desktop = stack.root.desktops(pool="mute")[0]
    # the API says the same, with the code, and for how long it was waited
    assert desktop.phase is Phase.FAILED
    assert desktop.failure is not None
    assert desktop.failure.code == "guest-silent"
    assert "answered" in desktop.failure.text
    assert f"{DEADLINE_S} s" in desktop.failure.text
    assert desktop.failure.remedy
    told = dora.client.desktop(desktop.id)
    assert told.failure == desktop.failure
    events = stack.root.desktop_events(desktop.id)
    assert any("failed" in event.kind and "answered" in event.text for event in events), events
    # so does its card, with the reference that the administrator can search for
    go_now(page, stack.url)
    page.get_by_text(desktop.id).wait_for()
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("What happens now").wait_for()
    first = stack.guests.ids()
    assert stack.phase(desktop.id, Phase.STARTING, Phase.WAITING).failure is None
    # it is tried in earnest, anew, and fails in the same words
    reason.wait_for()
    again = stack.phase(desktop.id, Phase.FAILED)
    assert again.failure is not None  # controller and host keep the same deadline; either may say it first
    assert again.failure.code == "guest-silent"
    assert again.id in stack.guests.ids() or again.id in first
    assert len(stack.root.desktops(pool="mute")) == 1
    window.page.get_by_role("button", name="Try again").wait_for()
    for session in dora.client.sessions():
        dora.client.end_session(session.id)
