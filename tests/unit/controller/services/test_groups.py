"""Groups: who is in one uses its pools at once, and no longer than that."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.store import tables as t
from frazil.model.desktop import Phase
from frazil.model.errors import InvalidInput, NameTaken, NotFound, Refused, Stale
from frazil.wire.rest import GroupChange, GroupRequest, NewSession, SessionRequest
from tests.unit.controller.world import World


async def group(world: World, name: str = "class-7", *members: str) -> None:
    await world.services.groups.create(world.root, GroupRequest(name=name))
    for member in members:
        await world.services.groups.join(world.root, name, member)


async def usable(world: World, who: Identity) -> list[str]:
    return [pool.name for pool in (await world.services.pools.list_for(who)).items]


async def opened(world: World, who: Identity) -> NewSession:
    return await world.services.sessions.open(who, SessionRequest(pool="desk"))


async def is_open(world: World, session: NewSession) -> bool:
    listed = await world.services.sessions.list_for(world.root)
    return session.session.id in [one.id for one in listed.items]


@pytest.fixture
async def ann(world: World) -> Identity:
    """Ann, in the class, which may use the pool desk."""
    await world.ready_pool(spares=2)
    made = await world.user("ann")
    await group(world, "class-7", "ann")
    await world.services.entitlements.grant_group(world.root, "desk", "class-7")
    return made


async def test_who_joins_may_use_the_groups_pools_at_once(world: World, ann: Identity) -> None:
    bob = await world.user("bob")
    assert (await usable(world, ann), await usable(world, bob)) == (["desk"], [])
    with pytest.raises(NotFound):
        await opened(world, bob)
    await world.services.groups.join(world.root, "class-7", "bob")
    assert await usable(world, bob) == ["desk"]
    assert (await opened(world, bob)).session.desktop.phase is Phase.READY


async def test_who_leaves_loses_session_and_desktop_at_once(world: World, ann: Identity) -> None:
    session = await opened(world, ann)
    await world.services.groups.leave(world.root, "class-7", "ann")
    assert await usable(world, ann) == []
    with pytest.raises(NotFound, match="ann may no longer use the pool desk"):
        await world.services.sessions.show(ann, session.session.id)
    assert (await world.services.desktops.show(world.root, session.session.desktop.id)).phase is Phase.DELETING
    with pytest.raises(NotFound):
        await opened(world, ann)


async def test_a_session_stays_as_long_as_there_is_another_way_to_be_entitled(world: World, ann: Identity) -> None:
    session = await opened(world, ann)
    await world.services.entitlements.grant(world.root, "desk", "ann")
    await group(world, "staff", "ann")
    await world.services.entitlements.grant_group(world.root, "desk", "staff")
    await world.services.entitlements.revoke(world.root, "desk", "ann")
    await world.services.groups.leave(world.root, "class-7", "ann")
    await world.services.entitlements.revoke_group(world.root, "desk", "class-7")
    assert await is_open(world, session)
    await world.services.groups.delete(world.root, "staff")
    assert not await is_open(world, session)


@pytest.mark.parametrize("by", ["revoked", "deleted"])
async def test_a_group_that_may_no_longer_ends_the_sessions_of_its_own_only(
    world: World, ann: Identity, by: str
) -> None:
    bob = await world.user("bob")
    boss = await world.user("boss", role="administrator")
    await world.services.entitlements.grant(world.root, "desk", "bob")
    sessions = [await opened(world, one) for one in (ann, bob, boss)]
    if by == "revoked":
        await world.services.entitlements.revoke_group(world.root, "desk", "class-7")
    else:
        await world.services.groups.delete(world.root, "class-7")
    assert [await is_open(world, one) for one in sessions] == [False, True, True]
    assert (await world.services.entitlements.list_for(world.root, user="ann")).items == []


async def test_a_session_that_slipped_through_while_its_entitlement_went_is_ended(world: World, ann: Identity) -> None:
    session = await opened(world, ann)

    def take_away(tx: sa.Connection) -> None:
        tx.execute(t.group_members.delete())

    await world.ctx.store.write(take_away)
    await world.settle()
    assert await is_open(world, session)
    world.clock.advance(11)
    await world.look()
    assert not await is_open(world, session)


async def test_a_deleted_user_leaves_their_groups(world: World, ann: Identity) -> None:
    await world.services.people.delete(world.root, "ann")
    assert (await world.services.groups.show(world.root, "class-7")).members == 0
    assert (await world.services.groups.members(world.root, "class-7")).items == []


async def test_what_a_user_may_use_says_by_which_way(world: World, ann: Identity) -> None:
    await world.services.entitlements.grant(world.root, "desk", "ann")
    ways = (await world.services.entitlements.list_for(world.root, user="ann")).items
    assert [(one.group_name, one.user_name) for one in ways] == [("class-7", None), (None, "ann")]
    [first, second] = ways
    page = await world.services.entitlements.list_for(world.root, limit=1)
    assert page.items == [first]
    rest = await world.services.entitlements.list_for(world.root, limit=1, cursor=page.next_cursor)
    assert (rest.items, rest.next_cursor) == ([second], None)
    with pytest.raises(InvalidInput):
        await world.services.entitlements.list_for(world.root, cursor="YQ")


async def test_groups_are_listed_in_pages_and_by_who_is_in_them(world: World, ann: Identity) -> None:
    await group(world, "staff")
    page = await world.services.groups.list_for(world.root, limit=1)
    rest = await world.services.groups.list_for(world.root, limit=1, cursor=page.next_cursor)
    assert [one.name for one in (*page.items, *rest.items)] == ["class-7", "staff"]
    assert rest.next_cursor is None
    assert [one.name for one in (await world.services.groups.list_for(world.root, user="ann")).items] == ["class-7"]


async def test_a_groups_label_changes_under_its_version_and_its_name_is_its_own(world: World) -> None:
    await group(world)
    with pytest.raises(NameTaken):
        await group(world)
    changed = await world.services.groups.change(world.root, "class-7", GroupChange(label="Class 8"), if_match=1)
    assert (changed.name, changed.label, changed.version) == ("class-7", "Class 8", 2)
    with pytest.raises(Stale, match="version 2, you looked at 1"):
        await world.services.groups.change(world.root, "class-7", GroupChange(label="Class 9"), if_match=1)
    for unknown in ("nothing", ""):
        with pytest.raises(NotFound, match="no group called"):
            await world.services.groups.show(world.root, unknown)


async def test_joining_and_leaving_twice_is_told_once(world: World, ann: Identity) -> None:
    await world.services.groups.join(world.root, "class-7", "ann")
    await world.services.groups.leave(world.root, "class-7", "ann")
    await world.services.groups.leave(world.root, "class-7", "ann")
    events = (await world.services.events.list_for(world.root)).items
    assert [event.kind for event in events if event.kind.startswith("group.")] == [
        "group.left",
        "group.joined",
        "group.created",
    ]


async def test_groups_are_for_administrators(world: World, ann: Identity) -> None:
    services = world.services
    for refused in (
        services.groups.list_for(ann),
        services.groups.show(ann, "class-7"),
        services.groups.members(ann, "class-7"),
        services.groups.create(ann, GroupRequest(name="mine")),
        services.groups.change(ann, "class-7", GroupChange(label="Mine"), if_match=1),
        services.groups.join(ann, "class-7", "ann"),
        services.groups.leave(ann, "class-7", "ann"),
        services.groups.delete(ann, "class-7"),
        services.entitlements.grant_group(ann, "desk", "class-7"),
        services.entitlements.revoke_group(ann, "desk", "class-7"),
    ):
        with pytest.raises(Refused):
            await refused
