"""The page of a host that is gone: forgetting it, and what is said when that can't be."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from frazil.controller import portal
from frazil.controller.api import app as api_app
from frazil.controller.identity import csrf
from frazil.settings import Settings
from tests.unit.controller.clients import People, people_of
from tests.unit.controller.services.test_adopting import ID, stray_of
from tests.unit.controller.services.test_persistent import opened, persistent
from tests.unit.controller.world import World


@pytest.fixture
async def visitors(world: World) -> AsyncIterator[People]:
    app = api_app.create(world.services)
    portal.mount(app, world.services, Settings(), clock=world.clock)
    async with people_of(world, app, base="") as made:
        yield made


@pytest.fixture
async def path(world: World, visitors: People) -> str:
    """Of the page of a host that fell silent, with Ann's desktop on its disk."""
    pool = await persistent(world, spares=0)
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    await opened(world, await world.identity("ann"))
    await world.settle()
    [gone] = world.hosts
    path = f"/console/hosts/{gone.id}"
    assert "Forget this host" not in (await visitors.boss.get(path)).text, "it is connected"
    world.hosts.clear()
    for _ in range(9):
        world.clock.advance(12)
        await world.look()
    return path


async def _post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await client.post(path, data={csrf.FIELD: client.headers["X-CSRF-Token"], **fields})


async def test_it_is_forgotten_once_what_is_lost_was_named_and_given_up(
    world: World, visitors: People, path: str
) -> None:
    boss = visitors.boss
    page = (await boss.get(path)).text
    assert "Forget this host" in page
    assert "frazil host forget host-1" in page
    found = re.search(r'/forget">.*?name="version" value="(\d+)"', page)
    assert found is not None
    refused = await _post(boss, f"{path}/forget", version=found[1])
    assert refused.status_code == 409
    assert "own-1 (ann)" in refused.text
    stale = await _post(boss, f"{path}/forget", version=str(int(found[1]) ^ 1), with_desktops="true")
    assert stale.status_code == 412
    done = await _post(boss, f"{path}/forget", version=found[1], with_desktops="true")
    assert (done.status_code, done.headers["location"]) == (303, "/console/hosts?did=host-forgotten")
    assert "The host was forgotten." in (await boss.get(done.headers["location"])).text
    assert (await boss.get(path)).status_code == 404


async def test_a_stray_desktop_is_taken_back_from_its_hosts_page(world: World, visitors: People) -> None:
    pool = await persistent(world, spares=0)
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    await world.settle()
    [host] = world.hosts
    stray = stray_of(pool.image_id)
    host.strays = [stray]
    await host.obey()
    world.ctx.presence.saw_strays(host.id, [stray])
    path, boss = f"/console/hosts/{host.id}", visitors.boss
    page = (await boss.get(path)).text
    assert 'id="adopt"' in page
    assert f"frazil desktop adopt {ID} --pool POOL --user USER" in page
    assert 'id="adopt"' not in (await visitors.polly.get(path)).text
    refused = await _post(boss, f"{path}/adopt", stray=ID, pool=pool.id)
    assert refused.status_code == 409
    assert "not known whose it is" in refused.text
    assert (await _post(boss, f"{path}/adopt", stray=ID, person="ann")).status_code == 422
    done = await _post(boss, f"{path}/adopt", stray=ID, pool=pool.id, person="ann")
    assert (done.status_code, done.headers["location"]) == (303, f"/console/desktops/{ID}?did=desktop-adopted")
    assert "The desktop was taken back" in (await boss.get(done.headers["location"])).text


async def test_who_may_only_see_it_is_not_offered_it(visitors: People, path: str) -> None:
    assert "Forget this host" not in (await visitors.polly.get(path)).text
    assert (await _post(visitors.polly, f"{path}/forget", version="1")).status_code == 403
