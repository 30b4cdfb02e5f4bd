"""Errors at the edge: problem documents with words, whatever went wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from frazil.controller.api import problems
from frazil.model import errors
from frazil.wire.rest import Problem
from tests.unit.controller.clients import People
from tests.unit.controller.world import EASY, World


def _all_errors(kind: type[errors.FrazilError]) -> set[type[errors.FrazilError]]:
    """The model's errors; what a part derives from them for itself never comes to the edge."""
    found = {kind}
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            found |= _all_errors(below)
    return found


def test_every_error_has_a_status_and_a_title() -> None:
    for kind in _all_errors(errors.FrazilError):
        error = kind("What.", retry_after_s=1.0) if kind is errors.Throttled else kind("What.")
        problem = problems.of_error(error)
        assert 400 <= problem.status < 600
        assert problem.title
        assert problem.type == f"urn:frazil:problem:{kind.code}"


async def test_ten_megabytes_are_refused_said_or_not(people: People) -> None:
    body = json.dumps({"name": "x" * (10 << 20)}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    for content in (body, pieces()):
        answer = await people.boss.post("/pools", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:frazil:problem:too-large"


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/pools", {"name": "Desk Top", "image": "x"}, "name", "a name has lower-case letters"),
        ("/pools", {"name": "desk", "image": "x", "spares": -1}, "spares", "greater than or equal to 0"),
        ("/pools", {"name": "desk", "image": "x", "colour": "blue"}, "colour", "extra inputs"),
        ("/pools", {"name": "desk"}, "image", "field required"),
        (
            "/pools",
            {"name": "desk", "image": "x", "policy": {"usb_filters": ["-1,-1,-1,-1,1", "all"]}},
            "policy.usb_filters.1",
            "'all' is no rule for USB devices. Write each rule as class,vendor,product,version,allow",
        ),
        ("/users", {"name": "zoe", "password": "short"}, "password", "at least 10"),
    ],
)
async def test_faults_name_the_field(people: People, path: str, body: object, field: str, words: str) -> None:
    answer = await people.boss.post(path, json=body)
    assert answer.status_code == 422
    problem = Problem.model_validate_json(answer.text)
    assert problem.field == field
    assert words in problem.detail
    assert "short" not in answer.text


async def test_broken_json_is_told_as_such(people: People) -> None:
    answer = await people.boss.post("/pools", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "The body is not JSON.")


async def test_unknown_addresses_and_methods_are_problems(people: People) -> None:
    assert (await people.boss.get("/nothing")).json()["type"] == "urn:frazil:problem:not-found"
    assert (await people.boss.put("/pools", json={})).json()["type"] == "urn:frazil:problem:method-not-allowed"


async def test_changes_need_to_say_what_they_are_based_on(people: People, world: World) -> None:
    await world.image()
    made = await people.boss.post("/pools", json={"name": "desk", "image": "debian"})
    assert made.headers["ETag"] == '"1"'
    missing = await people.boss.patch("/pools/desk", json={"spares": 2})
    assert (missing.status_code, missing.json()["type"]) == (428, "urn:frazil:problem:precondition-required")
    changed = await people.boss.patch("/pools/desk", json={"spares": 2}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"], changed.json()["spares"]) == (200, '"2"', 2)
    stale = await people.boss.patch("/pools/desk", json={"spares": 3}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["type"]) == (412, "urn:frazil:problem:stale")
    nonsense = await people.boss.patch("/pools/desk", json={"spares": 3}, headers={"If-Match": "*"})
    assert nonsense.status_code == 422
    taken = await people.boss.post("/pools", json={"name": "desk", "image": "debian"})
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:frazil:problem:name-taken")
    unknown = await people.boss.post("/sessions", json={"pool": "nothing"})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:frazil:problem:not-found")


async def test_too_many_tries_say_when_to_try_again(people: People) -> None:
    for _ in range(5):
        assert (await people.nobody.post("/logins", json={"name": "ann", "password": "wrong"})).status_code == 401
    answer = await people.nobody.post("/logins", json={"name": "ann", "password": EASY})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1


async def test_the_address_is_the_gateways_last_word(people: People, world: World) -> None:
    await people.nobody.post(
        "/logins", json={"name": "ann", "password": "wrong"}, headers={"X-Forwarded-For": "203.0.113.5, 192.0.2.7"}
    )
    newest = (await world.services.events.list_for(world.root)).items[0]
    assert (newest.kind, newest.outcome, newest.remote_address) == ("login.refused", "refused", "192.0.2.7")


async def test_the_cookie_is_the_strictest_kind(people: People) -> None:
    answer = await people.nobody.post("/logins", json={"name": "ann", "password": EASY})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-frazil=")
    assert all(part in cookie for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax", "Max-Age=43200"))
    gone = await people.ann.delete("/logins/current")
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert (await people.ann.get("/me")).status_code == 401


async def test_a_mistake_of_ours_shows_a_reference_and_nothing_else(people: People, app: FastAPI) -> None:
    async def broken(request: Request) -> Response:
        raise RuntimeError("secret insides")

    app.add_route("/api/v1/broken", broken)
    answer = await people.boss.get("/broken")
    assert answer.status_code == 500
    problem = Problem.model_validate_json(answer.text)
    assert problem.reference in problem.remedy
    assert "secret" not in answer.text


async def test_pages_get_pages(people: People, app: FastAPI) -> None:
    def render(request: Request, problem: Problem) -> Response:
        return PlainTextResponse(f"page: {problem.detail}", status_code=problem.status)

    app.state.render_problem = render
    answer = await people.boss.get("https://frazil.test/nothing")
    assert (answer.status_code, answer.text) == (404, "page: There is nothing at this address.")
    assert (await people.boss.get("/nothing")).headers["content-type"] == "application/problem+json"


async def test_a_full_disk_is_a_clear_answer_and_reading_goes_on(people: People, world: World) -> None:
    with world.ctx.store._engines.write.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count = {pages}")
    answers = [await people.boss.post("/tokens", json={"name": "x" * 200}) for _ in range(60)]
    full = next(answer for answer in answers if answer.status_code != 201)
    assert (full.status_code, full.json()["type"]) == (503, "urn:frazil:problem:out-of-space")
    assert "database is full" in full.json()["detail"]
    assert (await people.boss.get("/users")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/logins", {"name": "a\0b", "password": EASY}),
        ("POST", "/pools", {"name": "desk", "image": "a\0b"}),
        ("POST", "/pools", {"name": "desk", "image": "debian", "profile": {"memory\0": 1}}),
    ],
)
async def test_a_nul_in_a_body_is_refused(people: People, method: str, path: str, body: dict[str, object]) -> None:
    """PostgreSQL takes it for no text, which would be an error that nobody knows how to deal with."""
    answer = await people.boss.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert "NUL" in Problem.model_validate(answer.json()).detail
