"""The search of events as the API takes it."""

from __future__ import annotations

import pytest

from frazil.wire.rest import Problem
from tests.unit.controller.clients import People
from tests.unit.controller.world import World

USERS = {"kind": "user.created"}


async def test_filters_and_pages_go_together(people: People) -> None:
    found, query = [], {"kind": "user.", "text": "USER", "outcome": "done", "limit": "2"}
    while True:
        page = (await people.audrey.get("/events", params=query)).json()
        found += [event["text"] for event in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 2
        query["cursor"] = page["next_cursor"]
    assert found == [f"The user {name} was added." for name in ("bob", "mia", "ann")]


async def test_times_are_taken_with_any_offset(people: People, world: World) -> None:
    at = world.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
    everything = (await people.boss.get("/events", params=USERS)).json()["items"]
    for since in ("2001-01-01T00:00:00Z", "2001-01-01t00:00:00.123456789z", "2001-01-01T00:00:00+14:00"):
        answer = await people.boss.get("/events", params=USERS | {"since": since})
        assert answer.json()["items"] == everything, answer.text
    later = (await people.boss.get("/events", params=USERS | {"since": f"{at}-01:00"})).json()["items"]
    assert later == []
    assert (await people.boss.get("/events", params=USERS | {"until": f"{at}+23:59"})).json()["items"] == []
    assert (await people.boss.get("/events", params=USERS | {"until": f"{at}-01:00"})).json()["items"] == everything


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("since", "yesterday", "'yesterday' is no time of RFC 3339"),
        ("since", "2030-01-01", "RFC 3339"),
        ("since", "2030-01-01T00:00:00", "RFC 3339"),
        ("since", "2030-01-01T00:00:00 01:00", "RFC 3339"),
        ("since", "2030-13-01T00:00:00Z", "RFC 3339"),
        ("since", "0001-01-01T00:00:00+14:00", "RFC 3339"),
        ("since", "1893456000", "RFC 3339"),
        ("since", "", "RFC 3339"),
        ("until", "9999-12-31T23:59:59-14:00", "RFC 3339"),
        ("until", "２０３０-01-01T00:00:00Z", "RFC 3339"),
        ("kind", "session.%", "can't be a kind"),
        ("kind", "", "can't be a kind"),
        ("outcome", "well", "'done', 'refused'"),
        ("user", "", "user is empty"),
        ("text", "a\x00", "NUL character"),
        ("text", "x" * 201, "at most 200"),
        ("desktop", "x" * 201, "at most 200"),
        ("cursor", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", "not one that was given out"),
        ("limit", "501", "less than or equal to 500"),
    ],
)
async def test_a_bad_value_is_named_with_its_field(people: People, field: str, value: str, words: str) -> None:
    answer = await people.boss.get("/events", params={field: value})
    assert answer.status_code == 422, answer.text
    problem = Problem.model_validate_json(answer.text)
    assert (problem.type, problem.field) == ("urn:frazil:problem:invalid-input", field)
    assert words in problem.detail


async def test_a_search_that_ends_before_it_begins_is_said(people: People) -> None:
    turned = {"since": "2030-01-02T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
    answer = await people.boss.get("/events", params=turned)
    assert (answer.status_code, answer.json()["field"]) == (422, "until")
