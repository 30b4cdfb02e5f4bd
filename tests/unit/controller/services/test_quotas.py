"""Quotas: what is over one is refused when it is asked for, in words, and nothing else happens."""

from __future__ import annotations

import pytest

from frazil.controller.identity import Identity
from frazil.controller.services.event_search import EventSearch
from frazil.model.desktop import Power
from frazil.model.errors import OverQuota, Stale
from frazil.model.quota import Amounts
from frazil.wire.hostlink import FailureField, Profile
from frazil.wire.quota import QuotaChange
from frazil.wire.rest import (
    AssignmentRequest,
    GroupChange,
    GroupRequest,
    NewSession,
    Pool,
    PoolChange,
    PoolRequest,
    SessionRequest,
    UserChange,
)
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import World

SIZE = Profile(vcpus=2, memory_mib=1024)


async def made(world: World, name: str, **changes: object) -> Pool:
    if not world.hosts:
        await world.host()
        await world.image()
    asked = {"name": name, "image": "debian", "profile": SIZE, "spares": 0, **changes}
    pool = await world.services.pools.create(world.root, PoolRequest.model_validate(asked))
    await world.settle()
    return pool


async def limit(world: World, name: str, **quota: int) -> None:
    user = await world.services.people.show(world.root, name)
    change = UserChange(quota=QuotaChange(**quota))
    await world.services.people.change(world.root, name, change, if_match=user.version)


async def limit_group(world: World, name: str, **quota: int) -> None:
    group = await world.services.groups.show(world.root, name)
    change = GroupChange(quota=QuotaChange(**quota))
    await world.services.groups.change(world.root, name, change, if_match=group.version)


async def opened(world: World, who: Identity, pool: str) -> NewSession:
    return await world.services.sessions.open(who, SessionRequest(pool=pool))


async def told(world: World, kind: str) -> list[str]:
    found = await world.services.events.list_for(world.root, EventSearch(kind=kind))
    return [event.text for event in found.items]


@pytest.fixture
async def ann(world: World) -> Identity:
    """Ann, who may use two floating pools and a persistent one, of desktops with 2 vCPU and 1 GiB each."""
    one = await made(world, "one")
    user = await entitled(world, one, "ann")
    for name, changes in (("two", {}), ("own", {"kind": "persistent"})):
        pool = await made(world, name, **changes)
        await world.services.entitlements.grant(world.root, pool.id, "ann")
    return user


@pytest.mark.parametrize(
    ("quota", "said"),
    [
        ({"desktops": 1}, "You use 1 of 1 desktops. End a session first."),
        ({"sessions": 1}, "You have 1 of 1 sessions open. End a session first."),
        ({"vcpus": 3}, "You use 2 of 3 vCPU, and this desktop needs 2. End a session first."),
        ({"memory_mib": 2047}, "You use 1024 of 2047 MiB of memory, and this desktop needs 1024. End a session first."),
    ],
)
async def test_what_is_too_much_is_refused_until_something_is_given_back(
    world: World, ann: Identity, quota: dict[str, int], said: str
) -> None:
    await limit(world, "ann", **quota)
    first = await opened(world, ann, "one")
    with pytest.raises(OverQuota) as refused:
        await opened(world, ann, "two")
    assert str(refused.value) == said
    assert len((await world.services.desktops.list_for(world.root)).items) == 1, "nothing was made for it"
    again = await opened(world, ann, "one")
    assert again.session.id == first.session.id, "what they have is theirs"
    await world.services.sessions.end(ann, first.session.id)
    await opened(world, ann, "two")
    [event] = await told(world, "session.refused")
    assert event.startswith("ann was given no desktop. ann ")


async def test_lowering_a_quota_ends_nothing(world: World, ann: Identity) -> None:
    first, second = await opened(world, ann, "one"), await opened(world, ann, "two")
    await limit(world, "ann", sessions=1, vcpus=1)
    await world.settle()
    listed = await world.services.sessions.list_for(world.root)
    assert {one.id for one in listed.items} == {first.session.id, second.session.id}
    with pytest.raises(OverQuota, match="You use 4 of 1 vCPU"):
        await opened(world, ann, "own")


async def test_a_quota_of_zero_is_none(world: World, ann: Identity) -> None:
    await limit(world, "ann", sessions=1)
    await limit(world, "ann", sessions=0)
    await opened(world, ann, "one")
    await opened(world, ann, "two")


async def test_a_group_is_limited_together_and_who_is_in_two_counts_in_both(world: World, ann: Identity) -> None:
    bob = await world.user("bob")
    for name in ("class", "staff"):
        await world.services.groups.create(world.root, GroupRequest(name=name))
        await world.services.groups.join(world.root, name, "ann")
    await world.services.groups.join(world.root, "class", "bob")
    await world.services.entitlements.grant_group(world.root, "one", "class")
    await limit_group(world, "class", desktops=1)
    mine = await opened(world, ann, "one")
    with pytest.raises(OverQuota) as refused:
        await opened(world, bob, "one")
    assert str(refused.value) == (
        "The group class uses 1 of 1 desktops. Try again when others have left, or ask an administrator."
    )
    for name in ("class", "staff"):
        shown = await world.services.groups.show(world.root, name)
        assert shown.used.value() == Amounts(desktops=1, vcpus=2, memory_mib=1024, sessions=1)
    await world.services.sessions.end(ann, mine.session.id)
    await opened(world, bob, "one")
    with pytest.raises(OverQuota, match="The group class uses 1 of 1 desktops"):
        await opened(world, ann, "two")
    await world.services.groups.leave(world.root, "class", "ann")
    await opened(world, ann, "two")


async def test_a_kept_desktop_takes_processors_only_while_it_runs(world: World, ann: Identity) -> None:
    own = await opened(world, ann, "own")
    await world.settle()
    await limit(world, "ann", vcpus=2)
    with pytest.raises(OverQuota, match="End a session first"):
        await opened(world, ann, "one")
    await world.services.sessions.end(ann, own.session.id)
    one = await opened(world, ann, "one")
    with pytest.raises(OverQuota, match="You use 2 of 2 vCPU"):
        await opened(world, ann, "own")
    await world.settle()
    for act in ("start", "restart"):
        with pytest.raises(OverQuota, match=r"ann uses 2 of 2 vCPU, and this desktop needs 2\. Raise the quota"):
            await world.services.desktops.act(world.root, own.session.desktop.id, act)
    with pytest.raises(OverQuota, match="You use 2 of 2 vCPU"):
        await world.services.desktops.act(ann, own.session.desktop.id, "start")
    await world.services.sessions.end(ann, one.session.id)
    started = await world.services.desktops.act(ann, own.session.desktop.id, "start")
    assert started.power is Power.RUNNING
    with pytest.raises(OverQuota, match="Ask an administrator for more"):
        await opened(world, ann, "one")  # no session of theirs would give anything back


async def test_an_open_session_counts_though_its_desktop_was_stopped(world: World, ann: Identity) -> None:
    own = await opened(world, ann, "own")
    await world.settle()
    await limit(world, "ann", vcpus=2)
    await world.services.desktops.act(world.root, own.session.desktop.id, "stop")
    await world.settle()
    with pytest.raises(OverQuota, match="You use 2 of 2 vCPU"):
        await opened(world, ann, "one")
    await world.services.desktops.act(ann, own.session.desktop.id, "start")


async def test_a_kept_desktop_is_one_of_the_desktops_though_no_session_is_open(world: World, ann: Identity) -> None:
    own = await opened(world, ann, "own")
    await world.services.sessions.end(ann, own.session.id)
    await limit(world, "ann", desktops=1)
    with pytest.raises(OverQuota) as refused:
        await opened(world, ann, "one")
    assert str(refused.value) == "You use 1 of 1 desktops. Ask an administrator for more."
    await opened(world, ann, "own")


async def test_nobody_is_assigned_more_than_they_may_have(world: World, ann: Identity) -> None:
    await opened(world, ann, "one")
    await limit(world, "ann", desktops=1)
    with pytest.raises(OverQuota) as refused:
        await world.services.pools.assign(world.root, "own", AssignmentRequest(user="ann"))
    assert refused.value.what == "ann uses 1 of 1 desktops."
    await limit(world, "ann", desktops=2)
    await world.services.pools.assign(world.root, "own", AssignmentRequest(user="ann"))


async def test_a_pool_has_no_more_open_sessions_than_it_may(world: World, ann: Identity) -> None:
    bob = await world.user("bob")
    await world.services.entitlements.grant(world.root, "own", "bob")
    pool = await world.services.pools.show(world.root, "own")
    await world.services.pools.change(world.root, "own", PoolChange(max_sessions=1), if_match=pool.version)
    mine = await opened(world, ann, "own")
    with pytest.raises(OverQuota) as refused:
        await opened(world, bob, "own")
    assert str(refused.value) == (
        "1 of 1 sessions of the pool own are open. Try again when someone has left, or ask an administrator."
    )
    await world.services.sessions.end(ann, mine.session.id)
    theirs = await opened(world, bob, "own")
    for again in (SessionRequest(pool="own"), SessionRequest(desktop=mine.session.desktop.id)):
        with pytest.raises(OverQuota, match="1 of 1 sessions of the pool own"):
            await world.services.sessions.open(ann, again)
    assert theirs.session.desktop.id != mine.session.desktop.id


async def test_a_failed_desktop_is_exchanged_though_the_quota_is_used_up(world: World, ann: Identity) -> None:
    """The failed one is theirs no more, so there is never more than there was."""
    await limit(world, "ann", desktops=1)
    first = await opened(world, ann, "one")
    [host] = world.hosts
    host.fail[first.session.desktop.id] = FailureField(code="host-error", text="It broke.", remedy="")
    await world.settle()
    shown = await world.services.sessions.show(ann, first.session.id)
    assert shown.desktop.id != first.session.desktop.id
    user = await world.services.people.show(world.root, "ann")
    assert user.used.value() == Amounts(desktops=1, vcpus=2, memory_mib=1024, sessions=1)


async def test_changes_are_in_the_history_and_an_older_version_is_not_overwritten(world: World, ann: Identity) -> None:
    await limit(world, "ann", desktops=2, memory_mib=4096)
    await limit(world, "ann", desktops=0, memory_mib=0)
    assert await told(world, "user.quota-changed") == [
        "The quota of ann was changed. Nothing is limited.",
        "The quota of ann was changed. At most: desktops: 2; memory: 4096 MiB.",
    ]
    await world.services.groups.create(world.root, GroupRequest(name="class", quota=QuotaChange(sessions=3)))
    await limit_group(world, "class", vcpus=8)
    assert await told(world, "group.quota-changed") == [
        "The quota of the group class was changed. At most: vCPU: 8; sessions: 3.",
        "The quota of the group class was changed. At most: sessions: 3.",
    ]
    assert await told(world, "group.changed") == [], "its label is what it was"
    with pytest.raises(Stale):
        await world.services.groups.change(world.root, "class", GroupChange(quota=QuotaChange(vcpus=1)), if_match=1)
