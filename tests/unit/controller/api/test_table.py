"""Every call of the API, by everyone: what it answers, and that nothing is open by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from frazil.controller.api import openapi
from frazil.controller.api.app import PREFIX, TABLES
from frazil.controller.api.endpoints import Endpoint, Guarded, Permission
from frazil.controller.identity.rights import RIGHTS, Right
from frazil.wire.rest import ImageRequest, Problem, SessionRequest, TokenRequest
from tests.unit.controller.clients import OF_ROLE, WHO, People
from tests.unit.controller.world import EASY, PNG, World

ROOT = Path(__file__).parents[4]
PASSWORD = {"password": "another password", "current": EASY}

Answers = tuple[int, int, int, int, int, int, int, int]

# (body, then what each is answered: nobody; Bob, a user; Mia, who is in a group that may use the pool; Ann, whose the
# things are; the helpdesk; a pool administrator; an auditor; an administrator)
CALLS: dict[str, tuple[Any, Answers]] = {
    "POST /setup/link": (None, (404, 404, 404, 404, 404, 404, 404, 404)),
    "POST /setup": ({"token": "x", "name": "zoe", "password": EASY}, (409, 409, 409, 409, 409, 409, 409, 409)),
    "POST /logins": ({"name": "ann", "password": EASY}, (201, 201, 201, 201, 201, 201, 201, 201)),
    "DELETE /logins/current": (None, (401, 204, 204, 204, 204, 204, 204, 204)),
    "GET /me": (None, (401, 200, 200, 200, 200, 200, 200, 200)),
    "GET /tokens": (None, (401, 200, 200, 200, 200, 200, 200, 200)),
    "POST /tokens": ({"name": "ci"}, (401, 201, 201, 201, 201, 201, 201, 201)),
    "DELETE /tokens/{id}": (None, (401, 404, 404, 204, 404, 404, 404, 404)),
    "GET /users": (None, (401, 403, 403, 403, 200, 200, 200, 200)),
    "POST /users": ({"name": "new", "password": EASY}, (401, 403, 403, 403, 403, 403, 403, 201)),
    "GET /users/{user}": (None, (401, 403, 403, 200, 200, 200, 200, 200)),
    "PATCH /users/{user}": ({"policy": {"usb": False}}, (401, 403, 403, 403, 403, 403, 403, 200)),
    "PUT /users/{user}/password": (PASSWORD, (401, 403, 403, 204, 204, 403, 403, 204)),
    "DELETE /users/{user}": (None, (401, 403, 403, 403, 403, 403, 403, 204)),
    "GET /groups": (None, (401, 403, 403, 403, 200, 200, 200, 200)),
    "POST /groups": ({"name": "new"}, (401, 403, 403, 403, 403, 403, 403, 201)),
    "GET /groups/{group}": (None, (401, 403, 403, 403, 200, 200, 200, 200)),
    "PATCH /groups/{group}": ({"label": "New"}, (401, 403, 403, 403, 403, 403, 403, 200)),
    "DELETE /groups/{group}": (None, (401, 403, 403, 403, 403, 403, 403, 204)),
    "GET /groups/{group}/members": (None, (401, 403, 403, 403, 200, 200, 200, 200)),
    "PUT /groups/{group}/members/{user}": (None, (401, 403, 403, 403, 403, 403, 403, 204)),
    "DELETE /groups/{group}/members/{user}": (None, (401, 403, 403, 403, 403, 403, 403, 204)),
    "GET /pools": (None, (401, 200, 200, 200, 200, 200, 200, 200)),
    "POST /pools": ({"name": "new", "image": "debian"}, (401, 403, 403, 403, 403, 201, 403, 201)),
    "GET /pools/{pool}": (None, (401, 404, 200, 200, 200, 200, 200, 200)),
    "PATCH /pools/{pool}": ({"spares": 2}, (401, 403, 403, 403, 403, 200, 403, 200)),
    "DELETE /pools/{pool}": (None, (401, 403, 403, 403, 403, 202, 403, 202)),
    "POST /pools/{pool}/desktops": ({"user": "ann"}, (401, 403, 403, 403, 403, 409, 403, 409)),
    "GET /entitlements": (None, (401, 403, 403, 403, 200, 200, 200, 200)),
    "PUT /pools/{pool}/users/{user}": (None, (401, 403, 403, 403, 403, 204, 403, 204)),
    "DELETE /pools/{pool}/users/{user}": (None, (401, 403, 403, 403, 403, 204, 403, 204)),
    "PUT /pools/{pool}/groups/{group}": (None, (401, 403, 403, 403, 403, 204, 403, 204)),
    "DELETE /pools/{pool}/groups/{group}": (None, (401, 403, 403, 403, 403, 204, 403, 204)),
    "GET /hosts": (None, (401, 403, 403, 403, 403, 200, 200, 200)),
    "GET /hosts/{host}": (None, (401, 403, 403, 403, 403, 200, 200, 200)),
    "DELETE /hosts/{host}": (None, (401, 403, 403, 403, 403, 403, 403, 428)),
    "PATCH /hosts/{host}": ({"labels": {"room": "3"}}, (401, 403, 403, 403, 403, 403, 403, 200)),
    "PUT /hosts/{host}/maintenance": (None, (401, 403, 403, 403, 403, 403, 403, 200)),
    "DELETE /hosts/{host}/maintenance": (None, (401, 403, 403, 403, 403, 403, 403, 200)),
    # In a unit test no other machine may join.
    "POST /hosts/invitations": (None, (401, 403, 403, 403, 403, 403, 403, 409)),
    "DELETE /hosts/{host}/certificate": (None, (401, 403, 403, 403, 403, 403, 403, 409)),
    "GET /strays": (None, (401, 403, 403, 403, 403, 200, 200, 200)),
    "POST /strays/{stray}/adopt": ({"pool": "desk"}, (401, 403, 403, 403, 403, 403, 403, 404)),
    "GET /metrics": (None, (401, 403, 403, 403, 403, 200, 200, 200)),
    "GET /images": (None, (401, 403, 403, 403, 403, 200, 200, 200)),
    "POST /images": ({"name": "new", "recipe": "debian-icewm"}, (401, 403, 403, 403, 403, 202, 403, 202)),
    "GET /images/{image}": (None, (401, 403, 403, 403, 403, 200, 200, 200)),
    "POST /images/{image}/retry": (None, (401, 403, 403, 403, 403, 409, 403, 409)),
    "DELETE /images/{image}": (None, (401, 403, 403, 403, 403, 409, 403, 409)),
    "GET /operations/{id}": (None, (401, 403, 403, 403, 403, 200, 200, 200)),
    "GET /desktops": (None, (401, 200, 200, 200, 200, 200, 200, 200)),
    "GET /desktops/{desktop}": (None, (401, 404, 404, 200, 200, 200, 200, 200)),
    "GET /desktops/{desktop}/explanation": (None, (401, 403, 403, 403, 200, 200, 200, 200)),
    "POST /desktops/{desktop}/start": (None, (401, 404, 404, 202, 202, 202, 403, 202)),
    "POST /desktops/{desktop}/pause": (None, (401, 403, 403, 403, 202, 202, 403, 202)),
    "POST /desktops/{desktop}/stop": (None, (401, 403, 403, 403, 202, 202, 403, 202)),
    "POST /desktops/{desktop}/shutdown": (None, (401, 403, 403, 403, 202, 202, 403, 202)),
    "POST /desktops/{desktop}/restart": (None, (401, 403, 403, 403, 202, 202, 403, 202)),
    "POST /desktops/{desktop}/retry": (None, (401, 404, 404, 409, 409, 409, 403, 409)),
    "POST /desktops/{desktop}/restore": (None, (401, 403, 403, 403, 403, 409, 403, 409)),
    "DELETE /desktops/{desktop}": (None, (401, 403, 403, 403, 403, 202, 403, 202)),
    "GET /desktops/{desktop}/screenshot": (None, (401, 404, 404, 200, 200, 200, 200, 200)),
    "GET /desktops/{desktop}/events": (None, (401, 404, 404, 200, 200, 200, 200, 200)),
    "POST /sessions": ({"pool": "desk"}, (401, 404, 201, 201, 403, 403, 403, 201)),
    "GET /sessions": (None, (401, 200, 200, 200, 200, 200, 200, 200)),
    "GET /sessions/{id}": (None, (401, 404, 404, 200, 200, 200, 200, 200)),
    "POST /sessions/{id}/tickets": (None, (401, 404, 404, 201, 404, 404, 404, 404)),
    "POST /sessions/{id}/viewer-files": (None, (401, 404, 404, 201, 404, 404, 404, 404)),
    "DELETE /sessions/{id}": (None, (401, 404, 404, 204, 204, 204, 403, 204)),
    "GET /events": (None, (401, 403, 403, 403, 403, 403, 200, 200)),
    "GET /events/stream": (None, (401, 403, 403, 403, 403, 403, 200, 200)),
    "GET /health": (None, (200, 200, 200, 200, 200, 200, 200, 200)),
}
ENDPOINTS = {f"{one.method} {one.path}": one for table in TABLES.values() for one in table}


@pytest.fixture
async def filled(world: World, people: People) -> dict[str, str]:
    """One of everything; the desktop, the session and the token are Ann's."""
    ids: dict[str, str] = {}
    pool = await world.ready_pool(spares=1)
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    await world.services.entitlements.grant_group(world.root, pool.id, "class")

    async def picture(host_id: str, *, desktop_id: str, deadline_s: float) -> bytes:
        return PNG

    world.ctx.ask_host = picture
    ann = await world.identity("ann")
    ids["token"] = (await world.services.tokens.create(ann, TokenRequest(name="ann's"))).id
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.settle()
    operation = await world.services.images.create(world.root, ImageRequest(name="other", recipe="debian-icewm"))
    ids |= {
        "session": opened.session.id,
        "desktop": opened.session.desktop.id,
        "operation": operation.id,
        "host": world.hosts[0].id,
    }
    return ids


def _path(endpoint: Endpoint, ids: dict[str, str]) -> str:
    kind = endpoint.path.split("/")[1].removesuffix("s")
    return endpoint.path.format(
        id=ids.get(kind, "x"),
        user="ann",
        group="class",
        pool="desk",
        image="debian",
        host=ids["host"],
        stray="nothing",
        desktop=ids["desktop"],
    )


def test_every_call_is_in_this_table() -> None:
    assert set(CALLS) == set(ENDPOINTS)


def test_an_auditor_changes_nothing_of_others() -> None:
    """Seen from the other side: what an auditor gets done with an unsafe call is what any user gets done."""
    column, any_user = WHO.index("audrey"), WHO.index("bob")
    for call, (_, expected) in CALLS.items():
        if not call.startswith("GET ") and expected[column] < 300:
            assert expected[any_user] == expected[column], call


def test_each_role_gets_done_what_the_rights_say() -> None:
    """The table is written by hand; where a call needs a right, exactly the roles that have it are not refused."""
    for call, endpoint in ENDPOINTS.items():
        if isinstance(endpoint.permission, Right):
            allowed = {role for role, name in OF_ROLE.items() if CALLS[call][1][WHO.index(name)] != 403}
            assert allowed == {role for role, rights in RIGHTS.items() if endpoint.permission in rights}, call
        elif endpoint.others is not None and CALLS[call][1][WHO.index("bob")] >= 400:
            allowed = {role for role, name in OF_ROLE.items() if CALLS[call][1][WHO.index(name)] not in (403, 404)}
            assert allowed == {role for role, rights in RIGHTS.items() if endpoint.others in rights}, call


@pytest.mark.parametrize("who", WHO)
async def test_each_call_answers_each_person_as_it_should(people: People, filled: dict[str, str], who: str) -> None:
    wrong = {}
    for call, (body, expected) in CALLS.items():
        endpoint = ENDPOINTS[call]
        if call == "GET /events/stream" and expected[WHO.index(who)] == 200:
            continue  # it does not end; the process's tests read it
        if endpoint.method == "DELETE" and who != "nobody":
            continue  # what changes the ground for the next calls is tried below
        client = people.named(who)
        headers = {"If-Match": '"1"'} if endpoint.method == "PATCH" else {}
        answer = await client.request(endpoint.method, _path(endpoint, filled), json=body, headers=headers)
        client.cookies.clear()  # signing in sets one
        status = expected[WHO.index(who)]
        if answer.status_code != status:
            wrong[call] = (answer.status_code, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert Problem.model_validate_json(answer.text).reference
    assert wrong == {}


DELETIONS = {call: expected for call, (_, expected) in CALLS.items() if call.startswith("DELETE ")}
DONE = [(call, who) for call, row in DELETIONS.items() for who, status in zip(WHO, row, strict=True) if status < 300]


@pytest.mark.parametrize(("call", "who"), DONE)
async def test_each_deletion_is_done_for_whom_it_should(
    people: People, filled: dict[str, str], call: str, who: str
) -> None:
    answer = await people.named(who).delete(_path(ENDPOINTS[call], filled))
    assert answer.status_code == DELETIONS[call][WHO.index(who)], answer.text


@pytest.mark.parametrize("who", WHO[1:])
async def test_each_other_deletion_is_refused_as_it_should(people: People, filled: dict[str, str], who: str) -> None:
    """What is refused changes nothing, so that one world will do for all of it."""
    wrong = {}
    for call, expected in DELETIONS.items():
        if (call, who) not in DONE:
            answer = await people.named(who).delete(_path(ENDPOINTS[call], filled))
            if answer.status_code != expected[WHO.index(who)]:
                wrong[call] = (answer.status_code, answer.text)
    assert wrong == {}


def test_every_route_is_guarded_and_few_are_open(app: FastAPI) -> None:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert all(isinstance(route, Guarded) for route in routes)
    assert len(routes) == len(ENDPOINTS)
    opened = {f"{one.method} {one.path}" for one in ENDPOINTS.values() if one.permission is Permission.ANYONE}
    assert opened == {"POST /setup", "POST /logins", "GET /health"}


async def test_a_cookie_alone_changes_nothing(people: People, filled: dict[str, str]) -> None:
    headers = {"Cookie": people.boss.headers["Cookie"]}
    asked, wrong = 0, {}
    for call, endpoint in ENDPOINTS.items():
        if endpoint.method == "GET" or endpoint.permission is Permission.ANYONE or call == "POST /setup/link":
            continue  # the last one is not reachable by cookie at all
        asked += 1
        path = _path(endpoint, filled)
        answer = await people.nobody.request(endpoint.method, path, json=CALLS[call][0], headers=headers)
        if answer.status_code != 403 or "own page" not in answer.json()["detail"]:
            wrong[call] = (answer.status_code, answer.text)
    assert asked > 30
    assert wrong == {}


async def test_root_on_the_local_socket_is_an_administrator(people: People, filled: dict[str, str]) -> None:
    assert (await people.root.get("/users")).status_code == 200
    assert (await people.root.post("/setup/link")).status_code == 409
    assert (await people.root.delete("/pools/desk")).status_code == 202


async def test_tokens_need_no_csrf_and_wrong_ones_are_told(people: People, filled: dict[str, str]) -> None:
    token = (await people.boss.post("/tokens", json={"name": "ci"})).json()["token"]
    assert token.startswith("frz_")
    with_token = {"Authorization": f"Bearer {token}"}
    assert (await people.nobody.post("/pools/nothing", headers=with_token)).status_code == 405
    assert (await people.nobody.put("/pools/desk/users/bob", headers=with_token)).status_code == 204
    for wrong in ("Bearer frz_wrong", "Bearer something", "Basic YTpi"):
        answer = await people.root.get("/me", headers={"Authorization": wrong})
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:frazil:problem:not-signed-in")


def test_the_committed_reference_is_the_codes() -> None:
    committed = (ROOT / openapi.FILE).read_text(encoding="utf-8")
    assert committed == openapi.text(), "run: python -m frazil.controller.api.openapi"
    assert PREFIX in committed
