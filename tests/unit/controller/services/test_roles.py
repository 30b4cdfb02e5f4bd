"""Roles: what each may do, who may give them, and how soon a change of them holds."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import get_args

import pytest
from pydantic import SecretStr

from frazil.controller.identity import LOCAL_ROOT, Identity, Right
from frazil.controller.identity.rights import RIGHTS, covers, for_whom, rights_of
from frazil.controller.internal import changes
from frazil.model.desktop import Phase
from frazil.model.errors import Conflict, NotFound, NotSignedIn, Refused, Stale
from frazil.wire.rest import (
    LoginRequest,
    PasswordRequest,
    Role,
    SessionRequest,
    TokenRequest,
    UserChange,
    UserRequest,
)
from frazil.wire.sessions import LinkState, Revocation
from tests.unit.controller.services.given import opened_session
from tests.unit.controller.world import EASY, World

NEW = PasswordRequest(password=SecretStr("another password"))


async def give(world: World, name: str, role: Role, *, by: Identity = LOCAL_ROOT) -> None:
    version = (await world.services.people.show(LOCAL_ROOT, name)).version
    await world.services.people.change(by, name, UserChange(role=role), if_match=version)


async def signed_in(world: World, name: str) -> str:
    request = LoginRequest(name=name, password=SecretStr(EASY))
    return (await world.services.logins.sign_in(request, remote_address=None)).cookie


async def who(world: World, cookie: str) -> Identity:
    found = await world.services.logins.authenticate(cookie, remote_address=None)
    assert found is not None
    return found


def test_every_role_is_in_the_table_and_what_is_not_known_may_nothing() -> None:
    assert set(RIGHTS) == set(get_args(Role))
    assert rights_of("user") == rights_of("a role of a newer version") == frozenset()
    assert rights_of("administrator") == frozenset(Right)


def test_who_covers_whom() -> None:
    below: dict[Role, set[Role]] = {
        "user": {"user"},
        "helpdesk": {"user", "helpdesk"},
        "pool-admin": {"user", "pool-admin"},
        "auditor": {"user", "auditor"},
        "administrator": set(get_args(Role)),
    }
    for role, lower in below.items():
        assert {other for other in get_args(Role) if covers(role, other)} == lower, role


def test_an_auditor_has_every_right_to_see_and_no_other() -> None:
    assert {right for right in Right if right.name.startswith("SEE_")} == RIGHTS["auditor"]


def test_refusals_say_for_whom_it_is() -> None:
    assert for_whom(Right.CHANGE_PEOPLE) == "administrators"
    assert for_whom(Right.END_SESSIONS) == "the helpdesk, pool administrators and administrators"
    with pytest.raises(Refused, match=r"Only the helpdesk and administrators may give others a new password\."):
        Identity(user_id="x", name="x", role="auditor").require(Right.SET_PASSWORDS)


async def test_a_new_role_holds_with_the_next_call_by_cookie_and_by_token(world: World) -> None:
    await world.user("ann")
    await world.user("boss", role="administrator")
    cookie = await signed_in(world, "ann")
    token = (
        await world.services.tokens.create(await who(world, cookie), TokenRequest(name="ci", expires_in_s=99))
    ).token
    for role in ("helpdesk", "auditor", "administrator", "user"):
        await give(world, "ann", role)
        by_token = await world.services.tokens.authenticate(token, remote_address=None)
        assert by_token is not None
        assert by_token.role == (await who(world, cookie)).role == role


async def test_a_stale_change_of_a_role_is_refused(world: World) -> None:
    await world.user("ann")
    await give(world, "ann", "helpdesk")
    with pytest.raises(Stale):
        await world.services.people.change(LOCAL_ROOT, "ann", UserChange(role="auditor"), if_match=1)
    shown = await world.services.people.show(LOCAL_ROOT, "ann")
    assert (shown.role, shown.version) == ("helpdesk", 2)
    kinds = [event.kind for event in (await world.services.events.list_for(LOCAL_ROOT)).items]
    assert kinds.count("user.role-changed") == 1


async def test_the_last_administrator_is_neither_demoted_nor_deleted(world: World) -> None:
    await world.user("boss", role="administrator")
    for role in ("user", "auditor", "helpdesk"):
        with pytest.raises(Conflict, match="boss is the only administrator"):
            await give(world, "boss", role)
    with pytest.raises(Conflict, match="boss is the only administrator"):
        await world.services.people.delete(LOCAL_ROOT, "boss")
    await world.user("chief", role="administrator")
    await give(world, "boss", "user")
    with pytest.raises(Conflict, match="chief is the only administrator"):
        await give(world, "chief", "user")


async def test_of_administrators_who_are_all_demoted_at_once_one_stays(world: World) -> None:
    names = [f"boss-{n}" for n in range(6)]
    for name in names:
        await world.user(name, role="administrator")
    done = await asyncio.gather(*(give(world, name, "user") for name in names), return_exceptions=True)
    assert [type(one) for one in done if one is not None] == [Conflict]
    users = (await world.services.people.list_for(LOCAL_ROOT)).items
    assert [user.role for user in users].count("administrator") == 1


async def test_an_administrator_may_step_down_where_there_is_another(world: World) -> None:
    boss = await world.user("boss", role="administrator")
    await world.user("chief", role="administrator")
    await give(world, "boss", "user", by=boss)
    with pytest.raises(Refused):
        await give(world, "boss", "administrator", by=await world.identity("boss"))


@pytest.mark.parametrize("role", [role for role in get_args(Role) if role != "administrator"])
async def test_only_administrators_give_roles(world: World, role: Role) -> None:
    me = await world.user("me", role=role)
    await world.user("ann")
    for given in get_args(Role):
        with pytest.raises(Refused):
            await give(world, "ann", given, by=me)
        with pytest.raises(Refused):
            await give(world, "me", given, by=me)
        request = UserRequest(name="new", password=SecretStr(EASY), role=given)
        with pytest.raises(Refused):
            await world.services.people.create(me, request)


async def test_the_helpdesk_gives_users_new_passwords_and_nobody_who_may_more(world: World) -> None:
    hedy = await world.user("hedy", role="helpdesk")
    for role in get_args(Role):
        name = f"some-{role}"
        await world.user(name, role=role)
        if role in ("user", "helpdesk"):
            cookie = await signed_in(world, name)
            await world.services.people.set_password(hedy, name, NEW)
            assert await world.services.logins.authenticate(cookie, remote_address=None) is None
            with pytest.raises(NotSignedIn):
                await signed_in(world, name)
        else:
            with pytest.raises(Refused, match=f"To set the password of {name} needs a role"):
                await world.services.people.set_password(hedy, name, NEW)
            assert await signed_in(world, name)
    with pytest.raises(Refused, match="current password is wrong"):
        await world.services.people.set_password(hedy, "hedy", NEW)
    with pytest.raises(NotFound):
        await world.services.people.set_password(hedy, "nothing", NEW)


async def test_who_was_made_administrator_meanwhile_keeps_their_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash takes its time, and the role is looked at again in the transaction that writes."""
    hedy = await world.user("hedy", role="helpdesk")
    await world.user("ann")
    hashing = world.ctx.passwords.hash

    async def slowly(password: str) -> str:
        await give(world, "ann", "administrator")
        return await hashing(password)

    monkeypatch.setattr(world.ctx.passwords, "hash", slowly)
    with pytest.raises(Refused):
        await world.services.people.set_password(hedy, "ann", NEW)
    assert await signed_in(world, "ann")


async def test_an_administrator_who_is_one_no_more_loses_what_only_the_role_let_them_use(world: World) -> None:
    await world.ready_pool("one", spares=2)
    await world.ready_pool("two", spares=1)
    boss = await world.user("boss", role="administrator")
    await world.user("chief", role="administrator")
    await world.services.entitlements.grant(LOCAL_ROOT, "two", "boss")
    opened = {name: await world.services.sessions.open(boss, SessionRequest(pool=name)) for name in ("one", "two")}
    for one in opened.values():
        await world.services.sessions.link_state(one.session.id, LinkState(connected=True, remote_address="192.0.2.9"))
    told = changes(world.ctx)
    assert await anext(told) is None
    await give(world, "boss", "helpdesk")
    ended = await anext(told)
    while ended is not None and not isinstance(ended, Revocation):
        ended = await anext(told)
    assert ended is not None
    assert (ended.session_id, ended.reason) == (opened["one"].session.id, "boss may no longer use the pool one.")
    left = (await world.services.sessions.list_for(LOCAL_ROOT)).items
    assert [session.id for session in left] == [opened["two"].session.id]
    await told.aclose()


async def test_who_sees_a_pool_may_not_use_it_for_that(world: World) -> None:
    await world.ready_pool()
    for role in ("helpdesk", "pool-admin", "auditor"):
        me = await world.user(f"some-{role}", role=role)
        assert [pool.name for pool in (await world.services.pools.list_for(me)).items] == ["desk"]
        assert (await world.services.pools.list_for(me, mine=True)).items == []
        with pytest.raises(Refused, match="You may see the pool desk, but not use its desktops"):
            await world.services.sessions.open(me, SessionRequest(pool="desk"))
        await world.services.entitlements.grant(LOCAL_ROOT, "desk", me.name)
        assert (await world.services.sessions.open(me, SessionRequest(pool="desk"))).session.user_id == me.user_id
        assert len((await world.services.sessions.list_for(me, mine=True)).items) == 1
        await world.services.entitlements.revoke(LOCAL_ROOT, "desk", me.name)
        await world.settle()


async def test_the_helpdesk_restarts_a_desktop_and_it_is_back(world: World) -> None:
    ann, opened = await opened_session(world)
    hedy = await world.user("hedy", role="helpdesk")
    desktop_id = opened.session.desktop.id
    with pytest.raises(Refused):
        await world.services.desktops.act(ann, desktop_id, "restart")
    shown = await world.services.desktops.act(hedy, desktop_id, "restart")
    assert shown.phase is Phase.STOPPING
    assert "It is being restarted" in shown.why
    phases: list[Phase] = [shown.phase]
    [host] = world.hosts
    for _ in range(4):
        await host.obey()
        await world.look()
        phases.append((await world.services.desktops.show(hedy, desktop_id)).phase)
    assert [after for before, after in pairwise(phases) if before is not after] == [Phase.STARTING, Phase.READY]
    assert (await world.services.sessions.show(ann, opened.session.id)).desktop.id == desktop_id
    await world.services.desktops.act(hedy, desktop_id, "shutdown")
    await world.settle()
    assert (await world.services.desktops.show(hedy, desktop_id)).phase is Phase.STOPPED, "it stays off now"


async def test_a_restart_is_over_when_something_else_is_wanted(world: World) -> None:
    _, opened = await opened_session(world)
    desktop_id = opened.session.desktop.id
    await world.services.desktops.act(LOCAL_ROOT, desktop_id, "restart")
    await world.services.desktops.act(LOCAL_ROOT, desktop_id, "stop")
    await world.settle()
    assert (await world.services.desktops.show(LOCAL_ROOT, desktop_id)).phase is Phase.STOPPED
