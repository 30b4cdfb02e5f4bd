"""Looking for what happened: who is found, what can't be looked for, and a long answer that ends on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from frazil.controller.identity import LOCAL_ROOT
from frazil.controller.services import events as events_service
from frazil.controller.services import making
from frazil.controller.services.event_search import EventSearch
from frazil.controller.services.events import before
from frazil.controller.services.paging import encode
from frazil.model.errors import InvalidInput, NotSignedIn, Refused
from frazil.wire.rest import LoginRequest, SessionRequest, TokenRequest
from tests.unit.controller.world import World

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


async def _kinds(world: World, **search: Any) -> list[str]:
    """Oldest first."""
    page = await world.services.events.list_for(world.root, EventSearch(**search))
    assert page.next_cursor is None
    return [event.kind for event in page.items][::-1]


async def test_what_somebody_did_is_found_after_they_are_gone_and_what_they_failed_at(world: World) -> None:
    ann = await world.user("ann")
    request = LoginRequest(name="ann", password=SecretStr("wrong"))
    with pytest.raises(NotSignedIn):
        await world.services.logins.sign_in(request, remote_address="192.0.2.7")
    await world.services.tokens.create(ann, TokenRequest(name="ci"))
    await world.services.people.delete(LOCAL_ROOT, "ann")
    assert (
        await _kinds(world, user="ann") == await _kinds(world, user=ann.user_id) == ["login.refused", "token.created"]
    )
    assert await _kinds(world, user="ann", kind="login.") == ["login.refused"]
    assert await _kinds(world, text="user ANN was") == ["user.created", "user.deleted"]


async def test_a_desktop_that_is_gone_is_found_by_its_name(world: World) -> None:
    pool = await world.ready_pool(spares=1, max_desktops=1)
    await world.user("ann")
    await world.services.entitlements.grant(world.root, pool.name, "ann")
    ann = await world.identity("ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    its_id, its_name = opened.session.desktop.id, opened.session.desktop.name
    lives = await _kinds(world, desktop=its_name)
    assert lives[0] == "desktop.created"
    assert lives[-1] == "session.opened"
    await world.services.sessions.end(ann, opened.session.id)
    await world.settle(8)
    assert (await _kinds(world, desktop=its_name))[-1] == "desktop.gone"
    assert await _kinds(world, desktop=its_name) == await _kinds(world, desktop=its_id)
    assert await _kinds(world, desktop="desk-99") == []
    assert await _kinds(world, desktop=its_name, user="ann") == ["session.opened", "session.ended"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"user": ""}, "user"),
        ({"user": "x" * 201}, "user"),
        ({"desktop": "  "}, "desktop"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "x" * 201}, "text"),
        ({"kind": ""}, "kind"),
        ({"kind": "."}, "kind"),
        ({"kind": "session.*"}, "kind"),
        ({"kind": "Session"}, "kind"),
        ({"kind": "s" * 65}, "kind"),
        ({"kind": "session\n"}, "kind"),
        ({"outcome": "well"}, "outcome"),
        ({"since": MOMENT, "until": MOMENT - timedelta(seconds=1)}, "until"),
    ],
)
def test_what_can_not_be_looked_for_is_said_with_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        EventSearch(**wrong)
    assert raised.value.field == field


@pytest.mark.parametrize("key", ["", "-1", "1.0", "9" * 19, "9" * 300])
def test_a_cursor_is_one_that_was_given_out(key: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        before(encode(key))
    assert raised.value.field == "cursor"


async def test_all_that_is_found_comes_bit_by_bit_and_each_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_service, "BATCH", 3)
    for n in range(7):
        await world.user(f"user{n}")
    found = world.services.events.found(world.root, EventSearch(kind="user."))
    first = await anext(found)
    await world.user("later")
    texts = [first.text, *[event.text async for event in found]]
    assert texts == [f"The user user{n} was added." for n in reversed(range(7))]
    assert [e async for e in world.services.events.found(world.root, EventSearch(user="nobody"))] == []


async def test_a_long_answer_ends_for_who_may_not_see_it_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_service, "BATCH", 1)
    boss = await world.user("boss", role="auditor")
    found = world.services.events.found(boss)
    await anext(found)
    await world.services.people.delete(LOCAL_ROOT, "boss")
    with pytest.raises(NotSignedIn):
        await anext(found)


def test_a_desktops_name_is_read_out_of_what_was_told_of_its_making() -> None:
    assert making.name_in(making.asked_for("office-1")) == "office-1"
    for other in ("", "The desktop office-1 is gone, with its disk.", making.asked_for("")):
        assert making.name_in(other) is None


async def test_users_find_nothing(world: World) -> None:
    ann = await world.user("ann")
    with pytest.raises(Refused):
        await anext(world.services.events.found(ann))
