"""Getting in: the set-up link, and signing in too often. These change the whole installation, so each has its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from frazil.settings import Settings
from tests.integration.portal.stack import PASSWORD, setup_path
from tests.integration.portal.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visitors = Callable[..., Visitor]


async def test_the_link_works_once_and_then_too_many_tries_are_held_up(visitor: Visitors, settings: Settings) -> None:
    who = visitor()
    path = await setup_path(settings)
    form = await who.get(path)
    assert form.status_code == 200
    unequal = await who.send(form, path, name="anna", password=PASSWORD, again=PASSWORD + "!")
    assert unequal.status_code == 422
    assert "The two passwords are not the same." in unequal.text
    short = await who.send(form, path, name="Anna!", password="short", again="short")
    assert "At least 10 characters." in short.text
    assert "Use small letters" in short.text
    assert PASSWORD not in unequal.text
    done = await who.send(form, path, name="anna", password=PASSWORD, again=PASSWORD)
    assert done.status_code == 200
    assert done.url.path == "/"
    used = await visitor().get(path)
    assert used.status_code == 404
    assert "used already" in used.text
    who = visitor()
    wrong = await who.sign_in("anna", "not the password")
    assert wrong.status_code == 401
    assert "The name or the password is wrong." in wrong.text
    assert "not the password" not in wrong.text
    for _ in range(20):
        wrong = await who.sign_in("anna", "not the password")
        if wrong.status_code == 429:
            break
    assert wrong.status_code == 429
    assert int(wrong.headers["Retry-After"]) >= 1
    assert "The next try is looked at in" in wrong.text
