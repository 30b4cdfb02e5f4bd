"""The page of deleted desktops, and restoring one from it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from frazil.controller import portal
from frazil.controller.api import app as api_app
from frazil.controller.identity import csrf
from frazil.settings import Settings
from frazil.wire.rest import PoolChange
from tests.unit.controller.clients import People, people_of
from tests.unit.controller.services.test_persistent import opened, persistent
from tests.unit.controller.world import World

PATH = "/console/deleted-desktops"


@pytest.fixture
async def visitors(world: World) -> AsyncIterator[People]:
    app = api_app.create(world.services)
    portal.mount(app, world.services, Settings(), clock=world.clock)
    async with people_of(world, app, base="") as made:
        yield made


@pytest.fixture
async def desktop_id(world: World, visitors: People) -> str:
    """Of a desktop of Ann's."""
    pool = await persistent(world, spares=0)
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    session = await opened(world, await world.identity("ann"))
    await world.settle()
    return session.session.desktop.id


async def _post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await client.post(path, data={csrf.FIELD: client.headers["X-CSRF-Token"], **fields})


async def test_a_deleted_desktop_is_listed_with_its_time_left_and_given_back(
    world: World, visitors: People, desktop_id: str
) -> None:
    polly, path = visitors.polly, f"/console/desktops/{desktop_id}"
    assert "It can be restored, with all files saved on it, for 7 days." in (await polly.get(path)).text
    assert "Nothing here" in (await polly.get(PATH)).text
    pool = await world.services.pools.show(world.root, "own")
    change = PoolChange(keep_deleted_s=50 * 3600)
    await world.services.pools.change(world.root, "own", change, if_match=pool.version)
    done = await _post(polly, f"{path}/delete")
    assert (done.status_code, done.headers["location"]) == (303, "/console/desktops?did=desktop-kept")
    assert "own-1" not in (await polly.get("/console/desktops")).text
    world.clock.advance(10 * 3600)
    page = (await polly.get(PATH)).text
    assert "own-1" in page
    assert "40 hours" in page
    shown = (await polly.get(path)).text
    assert "Give it back to ann" in shown
    assert "40 hours left" in shown
    assert f"{path}/start" not in shown
    done = await _post(polly, f"{path}/restore")
    assert (done.status_code, done.headers["location"]) == (303, f"{path}?did=desktop-restored")
    assert "own-1" in (await polly.get("/console/desktops")).text


async def test_who_may_only_see_it_can_not_restore_it(world: World, visitors: People, desktop_id: str) -> None:
    await _post(visitors.polly, f"/console/desktops/{desktop_id}/delete")
    assert "own-1" in (await visitors.audrey.get(PATH)).text
    assert "/restore" not in (await visitors.audrey.get(PATH)).text
    assert (await _post(visitors.hedy, f"/console/desktops/{desktop_id}/restore")).status_code == 403


async def test_where_the_account_is_gone_it_is_said_whose_it_is_to_be(
    world: World, visitors: People, desktop_id: str
) -> None:
    boss, path = visitors.boss, f"/console/desktops/{desktop_id}"
    await _post(boss, "/console/users/ann/delete")
    page = (await boss.get(path)).text
    assert "ann has no account any more." in page
    wrong = await _post(boss, f"{path}/restore", person="nobody")
    assert (wrong.status_code, 'value="nobody"' in wrong.text) == (404, True)
    assert (await _post(boss, f"{path}/restore", person="bob")).status_code == 303
    assert (await world.services.desktops.show(world.root, desktop_id)).user_name == "bob"


async def test_it_is_erased_only_when_that_is_said(world: World, visitors: People, desktop_id: str) -> None:
    polly, path = visitors.polly, f"/console/desktops/{desktop_id}"
    await _post(polly, f"{path}/delete")
    await _post(polly, f"{path}/delete")
    assert "own-1" in (await polly.get(PATH)).text
    done = await _post(polly, f"{path}/erase")
    assert done.headers["location"] == "/console/desktops?did=desktop-delete"
    await world.settle()
    assert (await polly.get(path)).status_code == 404


async def test_how_long_is_set_in_the_pools_page_in_days(world: World, visitors: People, desktop_id: str) -> None:
    pool = await world.services.pools.show(world.root, "own")
    path = f"/console/pools/{pool.id}"
    assert 'name="keep_days"' in (await visitors.polly.get(path)).text
    sent = {"label": "Own", "spares": "0", "max_desktops": "5", "start_deadline_s": "60", "share_memory": "true"}
    done = await _post(visitors.polly, f"{path}/change", version=str(pool.version), keep_days="0.5", **sent)
    assert done.status_code == 303
    assert (await world.services.pools.show(world.root, "own")).keep_deleted_s == 43200
    wrong = await _post(visitors.polly, f"{path}/change", version=str(pool.version + 1), keep_days="366", **sent)
    assert wrong.status_code == 422
    assert 'id="w-keep_days"' in wrong.text
