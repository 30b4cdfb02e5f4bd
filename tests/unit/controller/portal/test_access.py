"""Every page, by everyone: who is let in, and who is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import get_args

import pytest

from frazil.controller import portal
from frazil.controller.api import app as api_app
from frazil.controller.identity import csrf
from frazil.controller.identity.rights import Right, rights_of
from frazil.controller.portal.dispatch import Access
from frazil.settings import Settings
from frazil.wire.rest import Role
from tests.unit.controller.clients import OF_ROLE, People, people_of
from tests.unit.controller.portal.samples import page_entries
from tests.unit.controller.world import World

STAFF = frozenset(get_args(Role)) - {"user"}
ALL_BUT_HELPDESK = STAFF - {"helpdesk"}
POOL_ADMINS = frozenset({"pool-admin", "administrator"})
HELPERS = POOL_ADMINS | {"helpdesk"}
ADMINISTRATORS = frozenset({"administrator"})

PAGES: dict[str, frozenset[str]] = {
    "GET /console": STAFF,
    "GET /console/events": frozenset({"auditor", "administrator"}),
    "GET /console/events.csv": frozenset({"auditor", "administrator"}),
    "GET /console/hosts": ALL_BUT_HELPDESK,
    "GET /console/hosts/{host}": ALL_BUT_HELPDESK,
    "POST /console/hosts/{host}/maintain": ADMINISTRATORS,
    "POST /console/hosts/{host}/take-desktops": ADMINISTRATORS,
    "POST /console/hosts/{host}/forget": ADMINISTRATORS,
    "POST /console/hosts/{host}/adopt": ADMINISTRATORS,
    "POST /console/hosts/{host}/labels": ADMINISTRATORS,
    "GET /console/images": ALL_BUT_HELPDESK,
    "POST /console/images/build": POOL_ADMINS,
    "POST /console/images/import": POOL_ADMINS,
    "GET /console/images/{image}": ALL_BUT_HELPDESK,
    "POST /console/images/{image}/retry": POOL_ADMINS,
    "POST /console/images/{image}/delete": POOL_ADMINS,
    "GET /console/pools": STAFF,
    "GET /console/pools/new": POOL_ADMINS,
    "POST /console/pools/new": POOL_ADMINS,
    "GET /console/pools/{pool}": STAFF,
    "POST /console/pools/{pool}/change": POOL_ADMINS,
    "POST /console/pools/{pool}/policy": POOL_ADMINS,
    "POST /console/pools/{pool}/rules": POOL_ADMINS,
    "POST /console/pools/{pool}/grant": POOL_ADMINS,
    "POST /console/pools/{pool}/revoke": POOL_ADMINS,
    "POST /console/pools/{pool}/assign": POOL_ADMINS,
    "POST /console/pools/{pool}/delete": POOL_ADMINS,
    "GET /console/desktops": STAFF,
    "GET /console/deleted-desktops": STAFF,
    "GET /console/desktops/{desktop}": STAFF,
    "POST /console/desktops/{desktop}/start": HELPERS,
    "POST /console/desktops/{desktop}/restart": HELPERS,
    "POST /console/desktops/{desktop}/stop": HELPERS,
    "POST /console/desktops/{desktop}/shutdown": HELPERS,
    "POST /console/desktops/{desktop}/pause": HELPERS,
    "POST /console/desktops/{desktop}/retry": HELPERS,
    "POST /console/desktops/{desktop}/delete": POOL_ADMINS,
    "POST /console/desktops/{desktop}/erase": POOL_ADMINS,
    "POST /console/desktops/{desktop}/restore": POOL_ADMINS,
    "GET /console/sessions": STAFF,
    "POST /console/sessions/{session}/end": HELPERS,
    "GET /console/users": STAFF,
    "POST /console/users": ADMINISTRATORS,
    "GET /console/users/{user}": STAFF,
    "POST /console/users/{user}/password": frozenset({"helpdesk", "administrator"}),
    "POST /console/users/{user}/role": ADMINISTRATORS,
    "POST /console/users/{user}/policy": ADMINISTRATORS,
    "POST /console/users/{user}/quota": ADMINISTRATORS,
    "POST /console/users/{user}/delete": ADMINISTRATORS,
    "GET /console/groups": STAFF,
    "POST /console/groups": ADMINISTRATORS,
    "GET /console/groups/{group}": STAFF,
    "POST /console/groups/{group}/change": ADMINISTRATORS,
    "POST /console/groups/{group}/quota": ADMINISTRATORS,
    "POST /console/groups/{group}/join": ADMINISTRATORS,
    "POST /console/groups/{group}/leave": ADMINISTRATORS,
    "POST /console/groups/{group}/delete": ADMINISTRATORS,
}
OPEN = {
    "GET /favicon.ico",
    "GET /sign-in",
    "POST /sign-in",
    "GET /setup/{token}",
    "POST /setup/{token}",
    "POST /language",
}


@pytest.fixture
async def visitors(world: World) -> AsyncIterator[People]:
    app = api_app.create(world.services)
    portal.mount(app, world.services, Settings(), clock=world.clock)
    async with people_of(world, app, base="") as made:
        yield made


def test_every_page_is_in_this_table_and_few_are_open() -> None:
    access = {f"{entry.method} {entry.path}": entry.access for entry in page_entries()}
    assert {page for page, who in access.items() if who is Access.ANYBODY} == OPEN
    assert {page for page in access if "/console" in page} == set(PAGES)
    assert {page for page, who in access.items() if isinstance(who, Right) or who is Access.CONSOLE} == set(PAGES)


async def test_each_page_lets_in_whom_it_should(visitors: People) -> None:
    """What is asked for is not there, so that who is let in changes nothing, and is told just that."""
    wrong: list[tuple[str, str, int]] = []
    for page, allowed in PAGES.items():
        method, _, pattern = page.partition(" ")
        path = "/".join("nothing" if part.startswith("{") else part for part in pattern.split("/"))
        for role, name in OF_ROLE.items():
            client = visitors.named(name)
            form = {csrf.FIELD: client.headers["X-CSRF-Token"]} if method == "POST" else None
            answer = await client.request(method, path, data=form)
            if (answer.status_code != 403) != (role in allowed) or answer.status_code >= 500:
                wrong.append((page, role, answer.status_code))
        answer = await visitors.nobody.request(method, path)
        if (answer.status_code, answer.headers["location"].partition("?")[0]) != (303, "/sign-in"):
            wrong.append((page, "nobody", answer.status_code))
    assert wrong == []


async def test_a_form_without_its_token_does_nothing_for_whoever_it_is(visitors: People) -> None:
    for page in PAGES:
        method, _, pattern = page.partition(" ")
        if method == "POST":
            path = "/".join("nothing" if part.startswith("{") else part for part in pattern.split("/"))
            assert (await visitors.boss.post(path)).status_code == 403, page


@pytest.mark.parametrize("role", get_args(Role))
async def test_the_console_shows_to_each_what_they_may_see(world: World, visitors: People, role: Role) -> None:
    await world.ready_pool()
    home = await visitors.named(OF_ROLE[role]).get("/")
    assert ('href="/console"' in home.text) == bool(rights_of(role))
    if not rights_of(role):
        return
    overview = (await visitors.named(OF_ROLE[role]).get("/console")).text
    for right, path in (
        (Right.SEE_PEOPLE, "users"),
        (Right.SEE_HOSTS, "hosts"),
        (Right.SEE_IMAGES, "images"),
        (Right.SEE_EVENTS, "events"),
    ):
        assert (f'href="/console/{path}"' in overview) == (right in rights_of(role)), path
    assert ("Every host answers" in overview) == (Right.SEE_HOSTS in rights_of(role))
    pool = (await visitors.named(OF_ROLE[role]).get("/console/pools/desk")).text
    assert ('/delete"' in pool) == (Right.CHANGE_POOLS in rights_of(role))
    assert "frazil pool show desk" in pool
    assert ("frazil pool delete desk" in pool) == (Right.CHANGE_POOLS in rights_of(role))
    user = (await visitors.named(OF_ROLE[role]).get(f"/console/users/{OF_ROLE['user']}")).text
    for right, command in ((Right.SET_PASSWORDS, "passwd"), (Right.CHANGE_PEOPLE, "delete")):
        assert (f"frazil user {command} {OF_ROLE['user']}" in user) == (right in rights_of(role)), command


@pytest.mark.parametrize(("role", "offered"), [("user", True), ("auditor", False), ("administrator", False)])
async def test_the_helpdesk_is_offered_new_passwords_for_whom_it_may_give_them(
    visitors: People, role: Role, offered: bool
) -> None:
    page = (await visitors.hedy.get(f"/console/users/{OF_ROLE[role]}")).text
    assert ("/password" in page) == offered
    assert ("an administrator gives them a new password" in page) != offered
