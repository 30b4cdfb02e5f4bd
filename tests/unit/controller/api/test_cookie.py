"""The login cookie lasts as long as its login, which lasts from its last use."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from frazil.controller import portal
from frazil.controller.identity.cookies import COOKIE_NAME
from frazil.settings import Settings
from frazil.wire.rest import TokenRequest
from tests.unit.controller.clients import People
from tests.unit.controller.world import World


@pytest.fixture
def app(app: FastAPI, world: World) -> FastAPI:
    portal.mount(app, world.services, Settings())
    return app


def _given(answer: httpx.Response) -> list[str]:
    return [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{COOKIE_NAME}=")]


@pytest.mark.parametrize("path", ["/api/v1/me", "/account", "/api/v1/pools/none"])
async def test_the_cookie_is_given_again_when_its_login_is_moved_on(world: World, people: People, path: str) -> None:
    cookie = people.ann.headers["Cookie"]
    url = f"https://frazil.test{path}"
    assert _given(await people.ann.get(url)) == []
    world.clock.advance(11 * 60)
    [again] = _given(await people.ann.get(url))
    people.ann.cookies.clear()
    assert again.startswith(f"{cookie}; ")
    assert {"Max-Age=43200", "Secure", "HttpOnly", "Path=/"} <= set(again.split("; "))
    assert _given(await people.ann.get(url)) == []


async def test_signing_out_takes_the_cookie_away_though_the_login_was_moved_on(world: World, people: People) -> None:
    world.clock.advance(11 * 60)
    [taken] = _given(await people.ann.delete("/logins/current"))
    assert taken.startswith(f'{COOKIE_NAME}="";')


async def test_a_token_is_answered_without_a_cookie(world: World, people: People) -> None:
    made = await world.services.tokens.create(await world.identity("ann"), TokenRequest(name="ci"))
    world.clock.advance(11 * 60)
    headers = {"Authorization": f"Bearer {made.token}"}
    assert _given(await people.nobody.get("/me", headers=headers)) == []
