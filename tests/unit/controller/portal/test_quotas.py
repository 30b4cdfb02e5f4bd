"""The fields of a quota in a user's and a group's page, and what a person reads who asked for too much."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from frazil.controller import portal
from frazil.controller.api import app as api_app
from frazil.controller.identity import csrf
from frazil.model.quota import Amounts
from frazil.settings import Settings
from frazil.wire.rest import PoolChange
from tests.unit.controller.clients import People, people_of
from tests.unit.controller.world import World

FIELDS = ("quota_desktops", "quota_vcpus", "quota_memory_mib", "quota_sessions")


@pytest.fixture
async def visitors(world: World) -> AsyncIterator[People]:
    app = api_app.create(world.services)
    portal.mount(app, world.services, Settings(), clock=world.clock)
    async with people_of(world, app, base="") as made:
        yield made


async def _post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await client.post(path, data={csrf.FIELD: client.headers["X-CSRF-Token"], **fields})


async def _quota(world: World, path: str) -> Amounts:
    kind, name = path.split("/")[2:]
    if kind == "users":
        return (await world.services.people.show(world.root, name)).quota.value()
    return (await world.services.groups.show(world.root, name)).quota.value()


@pytest.mark.parametrize("path", ["/console/users/ann", "/console/groups/class"])
async def test_a_quota_is_set_and_shown_and_an_empty_field_limits_nothing(
    world: World, visitors: People, path: str
) -> None:
    boss = visitors.boss
    page = (await boss.get(path)).text
    assert all(f'name="{field}"' in page for field in FIELDS)
    done = await _post(boss, f"{path}/quota", version="1", **dict(zip(FIELDS, ("2", "", "4096", "0"), strict=True)))
    assert (done.status_code, done.headers["location"]) == (303, f"{path}?did=quota-changed")
    assert await _quota(world, path) == Amounts(desktops=2, memory_mib=4096)
    page = (await boss.get(path)).text
    assert "0 of at most 2" in page
    assert "(no limit)" in page
    late = await _post(boss, f"{path}/quota", version="1", quota_desktops="9")
    assert (late.status_code, await _quota(world, path)) == (412, Amounts(desktops=2, memory_mib=4096))
    wrong = await _post(boss, f"{path}/quota", version="2", quota_desktops="many", quota_vcpus="-1")
    assert wrong.status_code == 422
    assert "Write a whole number." in wrong.text
    assert 'value="many"' in wrong.text
    assert await _quota(world, path) == Amounts(desktops=2, memory_mib=4096)


@pytest.mark.parametrize("path", ["/console/users/ann", "/console/groups/class"])
async def test_who_may_only_see_people_sees_what_they_use_without_the_fields(visitors: People, path: str) -> None:
    page = (await visitors.audrey.get(path)).text
    assert "(no limit)" in page
    assert not any(field in page for field in FIELDS)


async def test_who_asks_for_too_much_reads_the_numbers_and_the_way_out(world: World, visitors: People) -> None:
    pool = await world.ready_pool()
    await world.services.entitlements.grant_group(world.root, pool.id, "class")
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    await world.services.pools.change(world.root, pool.id, PoolChange(max_sessions=1), if_match=pool.version)
    opened = await _post(visitors.mia, "/open", pool=pool.id)
    assert opened.status_code == 303
    refused = await _post(visitors.ann, "/open", pool=pool.id)
    assert refused.status_code == 409
    assert "This is more than may be used." in refused.text
    assert "1 of 1 sessions of the pool desk are open. Try again when someone has left" in refused.text
    shown = (await visitors.polly.get(f"/console/pools/{pool.id}")).text
    assert "1 open session" in shown


async def test_a_pools_most_of_open_sessions_is_set_in_its_page(world: World, visitors: People) -> None:
    pool = await world.ready_pool()
    sent = {"label": "Desk", "spares": "1", "max_desktops": "5", "start_deadline_s": "60", "share_memory": "true"}
    path = f"/console/pools/{pool.id}/change"
    done = await _post(visitors.polly, path, version=str(pool.version), max_sessions="3", **sent)
    assert done.status_code == 303
    assert (await world.services.pools.show(world.root, pool.id)).max_sessions == 3
