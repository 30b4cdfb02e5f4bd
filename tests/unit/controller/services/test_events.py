"""What happened: who reads it, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from frazil.controller.identity import LOCAL_ROOT, Identity
from frazil.controller.services.event_search import EventSearch
from frazil.controller.store import tables as t
from frazil.model.errors import NotSignedIn, Refused
from frazil.wire.rest import Event, LoginRequest, PasswordRequest, TokenRequest
from tests.unit.controller.world import EASY, World

NEW_PASSWORD = PasswordRequest(password=SecretStr("another password"))


async def _by_login(world: World) -> Identity:
    request = LoginRequest(name="boss", password=SecretStr(EASY))
    cookie = (await world.services.logins.sign_in(request, remote_address=None)).cookie
    found = await world.services.logins.authenticate(cookie, remote_address=None)
    assert found is not None
    return found


async def _by_token(world: World) -> Identity:
    made = await world.services.tokens.create(await world.identity("boss"), TokenRequest(name="ci", expires_in_s=86400))
    found = await world.services.tokens.authenticate(made.token, remote_address=None)
    assert found is not None
    return found


async def _sign_out(world: World, boss: Identity) -> None:
    await world.services.logins.sign_out(boss)


async def _delete_token(world: World, boss: Identity) -> None:
    assert boss.token_id is not None
    await world.services.tokens.delete(boss, boss.token_id)


async def _new_password(world: World, boss: Identity) -> None:
    await world.services.people.set_password(LOCAL_ROOT, "boss", NEW_PASSWORD)


async def _delete(world: World, boss: Identity) -> None:
    await world.services.people.delete(LOCAL_ROOT, "boss")


async def _demote(world: World, boss: Identity) -> None:
    def work(tx: sa.Connection) -> None:
        tx.execute(t.users.update().where(t.users.c.id == boss.user_id).values(role="user"))

    await world.ctx.store.write(work)


async def _a_day_goes_by(world: World, boss: Identity) -> None:
    world.clock.advance(86401)


Step = Callable[[World, Identity], Awaitable[None]]


@pytest.mark.parametrize(
    ("come", "lose"),
    [
        (_by_login, _sign_out),
        (_by_login, _new_password),
        (_by_login, _a_day_goes_by),
        (_by_token, _delete_token),
        (_by_token, _new_password),
        (_by_token, _a_day_goes_by),
        (_by_login, _demote),
        (_by_token, _delete),
    ],
)
async def test_the_stream_ends_for_who_is_no_administrator_any_more(
    world: World, come: Callable[[World], Awaitable[Identity]], lose: Step
) -> None:
    await world.user("boss", role="administrator")
    await world.user("other", role="administrator")
    boss = await come(world)
    newest = (await world.services.events.list_for(world.root)).items[0]
    stream = world.services.events.stream(boss, after=newest.id)
    await world.user("ann")
    first = await anext(stream)
    assert isinstance(first, Event)
    assert first.kind == "user.created"
    await lose(world, boss)
    await world.user("bob")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_the_stream_goes_on_for_root_and_is_refused_to_users(world: World) -> None:
    ann = await world.user("ann")
    with pytest.raises(Refused):
        await anext(world.services.events.stream(ann))
    newest = (await world.services.events.list_for(world.root)).items[0]
    stream = world.services.events.stream(replace(world.root, remote_address="local"), after=newest.id)
    for name in ("bob", "eva"):
        await world.user(name)
        event = await anext(stream)
        assert event is not None
        assert event.text == f"The user {name} was added."


async def test_events_are_listed_by_outcome_in_pages(world: World) -> None:
    for n in range(3):
        request = LoginRequest(name=f"guess{n}", password=SecretStr("wrong"))
        with pytest.raises(NotSignedIn):
            await world.services.logins.sign_in(request, remote_address=None)
        await world.user(f"user{n}")
    service = world.services.events
    first = await service.list_for(world.root, EventSearch(outcome="refused"), limit=2)
    assert [event.user_name for event in first.items] == ["guess2", "guess1"]
    second = await service.list_for(world.root, EventSearch(outcome="refused"), limit=2, cursor=first.next_cursor)
    assert [event.user_name for event in second.items] == ["guess0"]
    assert second.next_cursor is None
