"""Deleting, listing and restoring by the API."""

from __future__ import annotations

from tests.unit.controller.clients import People
from tests.unit.controller.services.test_persistent import opened, persistent
from tests.unit.controller.world import World


async def test_a_desktop_is_deleted_listed_restored_and_erased(world: World, people: People) -> None:
    pool = await persistent(world, spares=0)
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    await opened(world, await world.identity("ann"))
    await world.settle()
    boss = people.boss
    assert (await boss.get("/desktops/own-1")).json()["kept_if_deleted_s"] == 7 * 86400
    deleted = await boss.delete("/desktops/own-1")
    assert (deleted.status_code, deleted.json()["kept_until"]) == (202, "2030-01-08T00:00:00Z")
    assert (await boss.get("/desktops")).json()["items"] == []
    [kept] = (await people.hedy.get("/desktops", params={"deleted": True})).json()["items"]
    assert (kept["name"], kept["kept_for"], kept["phase_text"]) == ("own-1", "ann", "Deleted, and kept")
    assert (await people.ann.get("/desktops", params={"deleted": True})).status_code == 403
    assert (await boss.post("/desktops/own-1/restore", json={"user": "zoe"})).status_code == 404
    restored = await boss.post("/desktops/own-1/restore")
    assert (restored.status_code, restored.json()["user_name"]) == (202, "ann")
    assert (await boss.post("/desktops/own-1/restore", json={})).status_code == 409
    erased = await boss.delete("/desktops/own-1", params={"for_good": True})
    assert (erased.status_code, erased.json()["power"], erased.json()["kept_until"]) == (202, "absent", None)


async def test_a_pool_is_deleted_for_good(world: World, people: People) -> None:
    await persistent(world, spares=0)
    assert (await people.polly.delete("/pools/own", params={"for_good": True})).status_code == 202
    await world.settle()
    assert (await people.polly.get("/pools/own")).status_code == 404
