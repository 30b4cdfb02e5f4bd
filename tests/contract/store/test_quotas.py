"""Nobody is given more than a quota allows, however many ask at once, on each database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

import pytest

from frazil.controller.identity import Identity
from frazil.controller.store import Store, desktops, quotas, sessions
from frazil.model.errors import Conflict, OverQuota
from frazil.model.quota import Amounts
from frazil.wire.hostlink import Profile
from frazil.wire.quota import QuotaChange
from frazil.wire.rest import (
    AssignmentRequest,
    GroupChange,
    GroupRequest,
    NewSession,
    PoolRequest,
    SessionRequest,
    UserChange,
)
from tests.unit.controller.world import World

CONTROLLERS = 3
"""So many controllers write to one database at once; each has threads of its own."""
ASKED = 100


@pytest.fixture
def worlds(store: Store, store_url: str, tmp_path: Path) -> Iterator[list[World]]:
    """Several controllers on one database. The ids of each are its own."""
    made = [World(store, tmp_path)]
    made += [World(Store.open(store_url), tmp_path) for _ in range(CONTROLLERS - 1)]
    for number, world in enumerate(made):
        world.ctx.ids.count = number * 100_000  # type: ignore[attr-defined]
    yield made
    for world in made[1:]:
        world.close()
    made[0].ctx.passwords.close()


async def _pool(world: World, name: str, **changes: object) -> None:
    asked = {"name": name, "image": "debian", "spares": 0, "max_desktops": 200, **changes}
    await world.services.pools.create(world.root, PoolRequest.model_validate(asked))


async def _people(world: World, pool: str, names: Sequence[str], *, group: str = "class") -> list[Identity]:
    """All of them in a group that may use the pool."""
    await world.services.groups.create(world.root, GroupRequest(name=group))
    await world.services.entitlements.grant_group(world.root, pool, group)
    made = [await world.user(name) for name in names]
    for name in names:
        await world.services.groups.join(world.root, group, name)
    return made


async def _limit(world: World, name: str, **quota: int) -> None:
    user = await world.services.people.show(world.root, name)
    change = UserChange(quota=QuotaChange(**quota))
    await world.services.people.change(world.root, name, change, if_match=user.version)


async def _all(calls: Sequence[Awaitable[NewSession]]) -> Counter[str]:
    """How many of them ended in which way."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    ends: Counter[str] = Counter()
    for one in done:
        assert isinstance(one, NewSession | Conflict), one
        ends["given" if isinstance(one, NewSession) else one.code] += 1
    return ends


async def _assert_given(world: World, given: int, *, pool: str = "desk") -> None:
    rows = await world.ctx.store.read(desktops.listed)
    assert len([row for row in rows if row.assigned_user_id is not None]) == given
    assert len(await world.ctx.store.read(sessions.open_ones)) == given


async def test_of_a_hundred_members_who_ask_at_once_as_many_are_served_as_the_group_may_use(
    worlds: list[World],
) -> None:
    world = worlds[0]
    await world.image()
    await _pool(world, "desk")
    people = await _people(world, "desk", [f"u{n}" for n in range(ASKED)])
    group = await world.services.groups.show(world.root, "class")
    change = GroupChange(quota=QuotaChange(desktops=7))
    await world.services.groups.change(world.root, "class", change, if_match=group.version)
    done = await _all(
        [
            worlds[n % CONTROLLERS].services.sessions.open(one, SessionRequest(pool="desk"))
            for n, one in enumerate(people)
        ]
    )
    assert done == {"given": 7, "over-quota": ASKED - 7}
    await _assert_given(world, 7)


async def test_one_person_who_asks_in_many_pools_at_once_gets_no_more_than_they_may_use(worlds: list[World]) -> None:
    world = worlds[0]
    await world.image()
    names = [f"pool{n}" for n in range(25)]
    for name in names:
        await _pool(world, name, profile=Profile(vcpus=2, memory_mib=512))
    (ann,) = await _people(world, names[0], ["ann"])
    for name in names[1:]:
        await world.services.entitlements.grant_group(world.root, name, "class")
    await _limit(world, "ann", vcpus=7)
    calls = [
        worlds[n % CONTROLLERS].services.sessions.open(ann, SessionRequest(pool=names[n % len(names)]))
        for n in range(ASKED)
    ]
    done = await _all(calls)
    assert done["over-quota"] == ASKED - done["given"]
    await _assert_given(world, 3)
    user = await world.services.people.show(world.root, "ann")
    assert user.used.value() == Amounts(desktops=3, vcpus=6, memory_mib=1536, sessions=3)


@pytest.mark.parametrize("limit", ["max_desktops", "max_sessions"])
async def test_a_pool_gives_no_more_than_it_may_however_many_ask_at_once(worlds: list[World], limit: str) -> None:
    world = worlds[0]
    await world.image()
    await _pool(world, "desk", **{limit: 5})
    people = await _people(world, "desk", [f"u{n}" for n in range(ASKED)])
    done = await _all(
        [
            worlds[n % CONTROLLERS].services.sessions.open(one, SessionRequest(pool="desk"))
            for n, one in enumerate(people)
        ]
    )
    assert done == {"given": 5, "conflict" if limit == "max_desktops" else "over-quota": ASKED - 5}
    await _assert_given(world, 5)


async def test_a_person_who_asks_twice_at_once_for_the_same_gets_it_once(worlds: list[World]) -> None:
    world = worlds[0]
    await world.image()
    await _pool(world, "desk")
    (ann,) = await _people(world, "desk", ["ann"])
    calls = [
        worlds[n % CONTROLLERS].services.sessions.open(ann, SessionRequest(pool="desk")) for n in range(CONTROLLERS * 5)
    ]
    assert await _all(calls) == {"given": CONTROLLERS * 5}
    await _assert_given(world, 1)


async def test_what_is_used_is_counted_as_its_desktops_are_wanted(store: Store, tmp_path: Path) -> None:
    """Of a kept desktop that is shut down only the desktop counts; one that goes counts no more."""
    world = World(store, tmp_path)
    await world.image()
    kept = {"kind": "persistent", "profile": Profile(vcpus=3, memory_mib=1024)}
    await _pool(world, "kept", **kept)
    await _pool(world, "desk", profile=Profile(vcpus=1, memory_mib=512))
    ann, _ = await _people(world, "kept", ["ann", "bob"])
    await world.services.entitlements.grant_group(world.root, "desk", "class")
    await world.services.pools.assign(world.root, "kept", AssignmentRequest(user="bob"))

    async def used() -> tuple[Amounts, Amounts]:
        user, group = (
            await world.services.people.show(world.root, "ann"),
            await world.services.groups.show(world.root, "class"),
        )
        return user.used.value(), group.used.value()

    bobs = Amounts(desktops=1, vcpus=3, memory_mib=1024)
    assert await used() == (Amounts(), bobs)
    first = await world.services.sessions.open(ann, SessionRequest(pool="kept"))
    second = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    anns = Amounts(desktops=2, vcpus=4, memory_mib=1536, sessions=2)
    assert await used() == (anns, Amounts(desktops=3, vcpus=7, memory_mib=2560, sessions=2))
    await world.services.sessions.end(ann, second.session.id)
    assert (await used())[0] == Amounts(desktops=1, vcpus=3, memory_mib=1024, sessions=1)
    await world.services.desktops.act(world.root, first.session.desktop.id, "stop")
    assert (await used())[0] == Amounts(desktops=1, vcpus=3, memory_mib=1024, sessions=1), "its session is still open"
    await world.services.sessions.end(ann, first.session.id)
    assert (await used())[0] == Amounts(desktops=1)
    assert store.read_now(lambda tx: quotas.hold(tx, "nobody")) == []
    await _limit(world, "ann", vcpus=2)
    with pytest.raises(OverQuota, match="You use 0 of 2 vCPU, and this desktop needs 3"):
        await world.services.sessions.open(ann, SessionRequest(pool="kept"))
    world.ctx.passwords.close()
