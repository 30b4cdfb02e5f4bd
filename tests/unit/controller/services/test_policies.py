"""What may pass: kept with the pool and with the person, told to the gateway, and written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from frazil.controller import internal
from frazil.controller.identity import Identity
from frazil.model.errors import Refused, Stale
from frazil.model.policy import ClipboardType, Policy
from frazil.wire.policy import PolicyChange
from frazil.wire.rest import NewSession, PoolChange, PoolRequest, SessionRequest, UserChange, UserRequest
from frazil.wire.sessions import HostRevoked, PolicyChanged, RedeemRequest, Revocation
from tests.unit.controller.world import EASY, World

NO_USB = PolicyChange(usb=False)
ONLY_TEXT = PolicyChange(clipboard_types=[ClipboardType.TEXT])


async def _opened(world: World, name: str) -> tuple[Identity, NewSession]:
    user = await world.user(name)
    await world.services.entitlements.grant(world.root, "desk", name)
    return user, await world.services.sessions.open(user, SessionRequest(pool="desk"))


async def _forbid_in_pool(world: World, policy: PolicyChange) -> None:
    pool = await world.services.pools.show(world.root, "desk")
    await world.services.pools.change(world.root, pool.id, PoolChange(policy=policy), if_match=pool.version)


async def _forbid_person(world: World, name: str, policy: PolicyChange) -> None:
    user = await world.services.people.show(world.root, name)
    await world.services.people.change(world.root, name, UserChange(policy=policy), if_match=user.version)


async def _said(stream: AsyncIterator[HostRevoked | Revocation | PolicyChanged | None]) -> PolicyChanged:
    async with asyncio.timeout(10):
        while True:
            change = await anext(stream)
            if isinstance(change, PolicyChanged):
                return change


async def test_a_pool_and_a_person_are_made_with_a_policy_and_a_change_leaves_the_rest(world: World) -> None:
    await world.image()
    pool = await world.services.pools.create(world.root, PoolRequest(name="desk", image="debian", policy=NO_USB))
    assert pool.policy.value() == Policy(usb=False)
    changed = await world.services.pools.change(
        world.root, "desk", PoolChange(policy=PolicyChange(sound=False)), if_match=pool.version
    )
    assert changed.policy.value() == Policy(usb=False, sound=False)
    kept = await world.services.pools.change(world.root, "desk", PoolChange(label="Desk"), if_match=changed.version)
    assert kept.policy == changed.policy

    request = UserRequest.model_validate({"name": "ann", "password": EASY, "policy": {"microphone": False}})
    ann = await world.services.people.create(world.root, request)
    assert ann.policy.value() == Policy(microphone=False)
    user = await world.services.people.change(world.root, "ann", UserChange(policy=NO_USB), if_match=ann.version)
    assert user.policy.value() == Policy(microphone=False, usb=False)
    with pytest.raises(Stale, match="version 2, you looked at 1"):
        await world.services.people.change(world.root, "ann", UserChange(policy=NO_USB), if_match=ann.version)


async def test_nobody_frees_themselves(world: World) -> None:
    ann = await world.user("ann")
    with pytest.raises(Refused):
        await world.services.people.change(ann, "ann", UserChange(policy=PolicyChange(usb=True)), if_match=1)


async def test_a_session_has_what_pool_and_person_both_allow(world: World) -> None:
    await world.ready_pool()
    ann, opened = await _opened(world, "ann")
    assert opened.session.policy.value() == Policy()
    await _forbid_in_pool(world, NO_USB)
    await _forbid_person(world, "ann", ONLY_TEXT)
    both = Policy(usb=False, clipboard_types=frozenset({ClipboardType.TEXT}))
    assert (await world.services.sessions.show(ann, opened.session.id)).policy.value() == both
    ticket = await world.services.tickets.mint(ann, opened.session.id)
    redeemed = await world.services.tickets.redeem(
        RedeemRequest(session_id=opened.session.id, ticket=ticket.ticket, remote_address="192.0.2.9")
    )
    assert redeemed.route.policy.value() == both
    assert (await world.services.sessions.route(opened.session.id)) == redeemed.route


async def test_the_gateway_is_told_of_those_concerned_and_again_when_it_comes_anew(world: World) -> None:
    await world.ready_pool(spares=2)
    _, anns = await _opened(world, "ann")
    _, bobs = await _opened(world, "bob")
    world.clock.advance(7200)  # what was changed long ago is not told
    stream = internal.changes(world.ctx)
    assert await anext(stream) is None

    asked = asyncio.create_task(_said(stream))
    await _forbid_person(world, "ann", NO_USB)
    first = await asked
    assert (first.session_id, first.policy.value()) == (anns.session.id, Policy(usb=False))

    await _forbid_in_pool(world, PolicyChange(sound=False))
    told = {change.session_id: change for change in (await _said(stream), await _said(stream))}
    assert told[anns.session.id].policy.value() == Policy(usb=False, sound=False)
    assert told[bobs.session.id].policy.value() == Policy(sound=False)
    assert told[anns.session.id].policy_version > first.policy_version

    await _forbid_person(world, "ann", PolicyChange(usb=True))
    last = await _said(stream)
    assert (last.session_id, last.policy.value()) == (anns.session.id, Policy(sound=False))

    world.clock.advance(600)  # it was away for ten minutes
    later = internal.changes(world.ctx)
    again = {change.session_id: change for change in (await _said(later), await _said(later))}
    assert again == {anns.session.id: last, bobs.session.id: told[bobs.session.id]}
    for one in (stream, later):
        await one.aclose()


async def test_a_gateway_of_before_policies_hears_of_ended_sessions_only(world: World) -> None:
    await world.ready_pool()
    _, opened = await _opened(world, "ann")
    await _forbid_in_pool(world, NO_USB)
    await world.services.sessions.end(world.root, opened.session.id)
    lines = internal.lines(world.ctx, with_policies=False)
    async with asyncio.timeout(10):
        heard = [await anext(lines), await anext(lines)]
    assert heard[0] == "\n"
    assert Revocation.model_validate_json(heard[1]).session_id == opened.session.id
    await lines.aclose()


async def test_changes_are_written_down_in_words(world: World) -> None:
    await world.ready_pool()
    await world.user("ann")
    await _forbid_in_pool(world, PolicyChange(clipboard_from_desktop=False, usb=False))
    await _forbid_person(world, "ann", PolicyChange(clipboard_max_kib=64))
    await _forbid_in_pool(world, PolicyChange(clipboard_from_desktop=True, usb=True))
    await _forbid_in_pool(world, PolicyChange(usb=True))  # which it is: nothing to write down
    events = (await world.services.events.list_for(world.root)).items
    noted = [(event.kind, event.text, event.user_name) for event in events if event.kind.endswith("policy-changed")]
    assert noted == [
        ("pool.policy-changed", "What may pass in the pool desk was changed. Nothing is forbidden.", world.root.name),
        ("user.policy-changed", "What may pass for ann was changed. Forbidden: copies over 64 KiB.", world.root.name),
        (
            "pool.policy-changed",
            "What may pass in the pool desk was changed. Forbidden: copying out of the desktop; USB devices.",
            world.root.name,
        ),
    ]
