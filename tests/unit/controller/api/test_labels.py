"""Labels by the API: with `If-Match`, and what can be none as a problem document."""

from __future__ import annotations

import pytest

from tests.unit.controller.clients import People
from tests.unit.controller.world import World


async def test_a_host_is_labelled_by_who_looked_at_it(world: World, people: People) -> None:
    await world.host()
    shown = await people.boss.get("/hosts/host-1")
    assert (shown.json()["labels"], shown.headers["ETag"]) == ({}, '"1"')
    change = {"labels": {"room": "3", "rack": "B"}}
    assert (await people.boss.patch("/hosts/host-1", json=change)).status_code == 428
    looked = {"If-Match": '"1"'}
    changed = await people.boss.patch("/hosts/host-1", json=change, headers=looked)
    assert (changed.status_code, changed.json()["labels"], changed.headers["ETag"]) == (200, change["labels"], '"2"')
    assert (await people.boss.patch("/hosts/host-1", json={"labels": {}}, headers=looked)).status_code == 412
    again = await people.boss.patch("/hosts/host-1", json={"labels": {"room": "3"}}, headers={"If-Match": '"2"'})
    assert again.json()["labels"] == {"room": "3"}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"Room": "3"}, "'Room' can't be a label's name. Take lower-case letters"),
        ({"room": "a b"}, "'a b' can't be the value of the label room."),
        ({f"k{n}": "1" for n in range(17)}, "17 labels are too many."),
        ({"room": 3}, "valid string"),
        (["room"], "valid dictionary"),
    ],
)
async def test_what_can_be_no_label_is_refused_in_words(
    world: World, people: People, labels: object, said: str
) -> None:
    await world.host()
    answer = await people.boss.patch("/hosts/host-1", json={"labels": labels}, headers={"If-Match": '"1"'})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:frazil:problem:invalid-input"
    assert said in problem["detail"]
    assert (await people.boss.get("/hosts/host-1")).json()["labels"] == {}


async def test_a_pool_asks_for_hosts_and_ends_that(world: World, people: People) -> None:
    await world.host()
    await world.image()
    body = {"name": "desk", "image": "debian", "host_labels": {"room": "3"}}
    made = await people.boss.post("/pools", json=body)
    assert (made.status_code, made.json()["host_labels"]) == (201, {"room": "3"})
    wrong = await people.boss.post("/pools", json=body | {"name": "other", "host_labels": {"room": ""}})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "host_labels")
    looked = {"If-Match": made.headers["ETag"]}
    changed = await people.boss.patch("/pools/desk", json={"host_labels": {}}, headers=looked)
    assert (changed.status_code, changed.json()["host_labels"]) == (200, {})


async def test_a_pool_is_packed_and_kept_apart_and_that_is_ended(world: World, people: People) -> None:
    await world.host()
    await world.image()
    body = {"name": "desk", "image": "debian"}
    for wrong in ({"apart_by": "Rack"}, {"placement": "heap"}):
        answer = await people.boss.post("/pools", json=body | wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, next(iter(wrong)))
    made = await people.boss.post("/pools", json=body)
    assert (made.json()["placement"], made.json()["apart_by"]) == ("spread", "")
    tag = made.headers["ETag"]
    for change in ({"placement": "pack", "apart_by": "rack"}, {"placement": "spread"}, {"apart_by": ""}):
        changed = await people.boss.patch("/pools/desk", json=change, headers={"If-Match": tag})
        assert changed.status_code == 200
        assert changed.json() | change == changed.json()
        tag = changed.headers["ETag"]
    events = [event.text for event in (await world.services.events.list_for(world.root)).items]
    assert "The pool desk was changed: placement pack, apart_by rack." in events
    assert "The pool desk was changed: apart_by none." in events
