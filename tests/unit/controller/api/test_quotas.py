"""Quotas by the API: with `If-Match`, and what is too much as a problem document."""

from __future__ import annotations

import pytest

from tests.unit.controller.clients import People
from tests.unit.controller.world import World


@pytest.mark.parametrize("path", ["/users/ann", "/groups/class"])
async def test_a_quota_is_changed_by_who_looked_at_it(people: People, path: str) -> None:
    shown = await people.boss.get(path)
    tag = shown.headers["ETag"]
    nothing = {"desktops": 0, "vcpus": 0, "memory_mib": 0, "sessions": 0}
    assert (shown.json()["quota"], shown.json()["used"]) == (nothing, nothing)
    change = {"quota": {"desktops": 2, "memory_mib": 4096}}
    assert (await people.boss.patch(path, json=change)).status_code == 428
    changed = await people.boss.patch(path, json=change, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["quota"]) == (200, nothing | change["quota"])
    assert (await people.boss.patch(path, json=change, headers={"If-Match": tag})).status_code == 412
    more = {"quota": {"desktops": 0, "sessions": 1}}
    changed = await people.boss.patch(path, json=more, headers={"If-Match": changed.headers["ETag"]})
    assert changed.json()["quota"] == nothing | {"memory_mib": 4096, "sessions": 1}


@pytest.mark.parametrize("quota", [{"desktops": -1}, {"memory_mib": 1 << 31}, {"disks": 1}, {"vcpus": "many"}])
async def test_a_quota_that_makes_no_sense_is_refused(people: People, quota: dict[str, object]) -> None:
    for path in ("/users", "/groups"):
        body = {"name": "new", "password": "a long password"} if path == "/users" else {"name": "new"}
        answer = await people.boss.post(path, json=body | {"quota": quota})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:frazil:problem:invalid-input"), path


async def test_what_is_too_much_is_a_conflict_with_the_numbers(world: World, people: People) -> None:
    pool = await world.ready_pool(spares=0)
    for name in ("one", "two"):
        await world.pool(name)
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    await world.services.entitlements.grant(world.root, "one", "ann")
    tag = (await people.boss.get("/users/ann")).headers["ETag"]
    await people.boss.patch("/users/ann", json={"quota": {"desktops": 1}}, headers={"If-Match": tag})
    assert (await people.ann.post("/sessions", json={"pool": "desk"})).status_code == 201
    refused = await people.ann.post("/sessions", json={"pool": "one"})
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["type"] == "urn:frazil:problem:over-quota"
    assert (problem["detail"], problem["remedy"]) == ("You use 1 of 1 desktops.", "End a session first.")
    me = (await people.ann.get("/me")).json()
    assert (me["quota"]["desktops"], me["used"]["desktops"], me["used"]["sessions"]) == (1, 1, 1)
