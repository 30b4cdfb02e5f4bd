"""What the how-to on a class tells people to type works, in its order, with twenty pupils (docs/howto/class.md).

Frazil's own parts are real; the desktops are those of the hypervisor of files. `tests/soak/test_class.py` does it with
guests in which the pupils work.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frazil.model.desktop import Phase
from frazil.wire.rest import SessionRequest
from tests.harness.school import CALLER, GROUP, POOL, School
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]
PUPILS = 20


def test_a_class_comes_in_by_csv_works_and_leaves_everything_clean(place: Path) -> None:
    with Stack(fake=True) as stack:
        stack.start()
        school = School(stack, place, pupils=PUPILS)
        school.skip("frazil image build debian-icewm\n")
        stack.empty_image("debian-icewm")
        first = school.make_pool(timeout_s=60)
        _nobody_is_added_by_a_wrong_list(school)
        people = school.let_in()
        school.appoint()

        opened = {name: one.client.open_session(SessionRequest(pool=POOL)).session for name, one in people.items()}
        used = {session.desktop.id for session in opened.values()}
        assert len(used) == PUPILS
        for desktop_id in used:
            stack.phase(desktop_id, Phase.READY, Phase.PAUSED, timeout_s=60)
        assert people[CALLER].client.me().display_name == "Béla Nagy"
        told = f'frazil_sessions{{pool="{POOL}",state="left"}} {PUPILS:.1f}'
        until(lambda: told in stack.root.metrics(), "the measurements tell of all sessions", timeout_s=60)
        school.look_in()

        helped, picture = school.look_at()
        assert helped.id == opened[CALLER].desktop.id
        assert picture.read_bytes().startswith(b"\x89PNG")
        school.restart(helped)
        assert stack.root.desktop(helped.id).phase in (Phase.READY, Phase.PAUSED)
        people[CALLER] = school.give_password(people[CALLER])
        assert people[CALLER].client.session(opened[CALLER].id).desktop.id == helped.id

        *others, late = people
        for name in others:
            people[name].client.end_session(opened[name].id)
        school.end_lesson(late)
        school.cleaned(used | first, timeout_s=60)
        school.read_audit(helped, late=late)
        school.end_year()
        assert school.is_through


def _nobody_is_added_by_a_wrong_list(school: School) -> None:
    """Nor before there is a group, nor without a file for the passwords; whoever is there stays, and joins no less."""
    office, words = school.office, f"frazil user import class-7.csv --group {GROUP}"
    (office.place / "wrong.csv").write_text("name\nanna.kis\nAnna Kis\n")
    assert "Line 3" in office.type("frazil user import wrong.csv --passwords passwords.csv", code=2)
    assert f"frazil group add {GROUP}" in office.type(f"{words} --passwords passwords.csv", code=3)
    assert not (office.place / "passwords.csv").exists()
    assert school.stack.root.users() == []
    (office.place / "again.csv").write_text("name\ncili\n")
    assert "--passwords" in office.type("frazil user import again.csv", code=2)
    office.type("frazil user import again.csv --passwords passwords.csv")
    assert "0 users were added. 1 were there already." in office.type("frazil user import again.csv")
    office.type("frazil user delete cili nobody", code=3)
    office.type("frazil user delete cili")  # who is there still
