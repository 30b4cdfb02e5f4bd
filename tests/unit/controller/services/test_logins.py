"""Who is calling: passwords, logins, tokens, the first administrator."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from pydantic import SecretStr

from frazil.controller.identity import LOCAL_ROOT, Identity, csrf
from frazil.controller.store import logins
from frazil.controller.store import tables as t
from frazil.model.errors import Conflict, NameTaken, NotFound, NotSignedIn, Refused, Throttled
from frazil.wire.rest import LoginRequest, PasswordRequest, SetupRequest, TokenRequest
from tests.unit.controller.world import EASY, World


def _request(name: str, password: str = EASY) -> LoginRequest:
    return LoginRequest(name=name, password=SecretStr(password))


async def test_the_first_administrator_comes_by_a_link_that_works_once(world: World) -> None:
    setup = world.services.setup
    old = (await setup.make_link(LOCAL_ROOT)).path.removeprefix("/setup/")
    token = (await setup.make_link(LOCAL_ROOT)).path.removeprefix("/setup/")
    assert not await setup.is_open(old)
    assert await setup.is_open(token)
    with pytest.raises(Refused, match="does not work"):
        await setup.first_administrator(
            SetupRequest(token=old, name="ann", password=SecretStr(EASY)), remote_address="192.0.2.1"
        )
    request = SetupRequest(token=token, name="ann", password=SecretStr(EASY), display_name="Ann Example")
    made = await setup.first_administrator(request, remote_address="192.0.2.1")
    assert (made.name, made.display_name, made.role) == ("ann", "Ann Example", "administrator")
    assert not await setup.is_open(token)
    with pytest.raises(Conflict, match="has an administrator already"):
        await setup.first_administrator(request, remote_address="192.0.2.1")
    with pytest.raises(Conflict):
        await setup.make_link(LOCAL_ROOT)
    assert (await world.services.logins.sign_in(_request("ann"), remote_address=None)).login.user.id == made.id


async def test_signing_in_gives_a_cookie_that_slides_and_ends(world: World) -> None:
    ann = await world.user("ann")
    service = world.services.logins
    signed_in = await service.sign_in(_request("ann"), remote_address="192.0.2.1")
    identity = await service.authenticate(signed_in.cookie, remote_address="192.0.2.1")
    assert identity is not None
    assert (identity.user_id, identity.csrf) == (ann.user_id, signed_in.login.csrf_token)
    for _ in range(3):
        world.clock.advance(11 * 3600)
        assert await service.authenticate(signed_in.cookie, remote_address=None) is not None
    world.clock.advance(12 * 3600 + 1)
    assert await service.authenticate(signed_in.cookie, remote_address=None) is None
    again = await service.sign_in(_request("ann"), remote_address=None)
    identity = await service.authenticate(again.cookie, remote_address=None)
    assert identity is not None
    await service.sign_out(identity)
    assert await service.authenticate(again.cookie, remote_address=None) is None
    assert await service.authenticate("guess", remote_address=None) is None


async def test_no_secret_is_in_the_store(world: World) -> None:
    ann = await world.user("ann")
    signed_in = await world.services.logins.sign_in(_request("ann"), remote_address="192.0.2.1")
    token = await world.services.tokens.create(ann, TokenRequest(name="ci"))
    link = await world.services.setup.make_link(LOCAL_ROOT)
    dump = await world.ctx.store.read(
        lambda tx: "".join(str(tx.execute(table.select()).all()) for table in t.metadata.sorted_tables)
    )
    for secret in (EASY, signed_in.cookie, signed_in.login.csrf_token, token.token, link.path.rsplit("/", 1)[1]):
        assert secret not in dump


async def test_csrf_tokens_fit_their_own_login_only(world: World) -> None:
    await world.user("ann")
    first = await world.services.logins.sign_in(_request("ann"), remote_address=None)
    second = await world.services.logins.sign_in(_request("ann"), remote_address=None)
    identity = await world.services.logins.authenticate(first.cookie, remote_address=None)
    assert identity is not None
    csrf.check(identity, first.login.csrf_token)
    for wrong in (None, "", second.login.csrf_token, "ü"):
        with pytest.raises(Refused, match="own page"):
            csrf.check(identity, wrong)
    csrf.check(Identity(user_id="1", name="by token", role="user"), None)


async def test_a_name_is_throttled_and_freed_by_time(world: World) -> None:
    await world.user("ann")
    service = world.services.logins
    for n in range(5):
        with pytest.raises(NotSignedIn):
            await service.sign_in(_request("ann", "wrong"), remote_address=f"192.0.2.{n}")
    with pytest.raises(Throttled) as caught:
        await service.sign_in(_request("ann"), remote_address="192.0.2.99")
    assert 1.0 <= caught.value.retry_after_s <= 60.0
    world.clock.advance(caught.value.retry_after_s)
    with pytest.raises(NotSignedIn):
        await service.sign_in(_request("ann", "wrong"), remote_address="192.0.2.99")
    with pytest.raises(Throttled) as longer:
        await service.sign_in(_request("ann"), remote_address="192.0.2.99")
    assert longer.value.retry_after_s > caught.value.retry_after_s
    world.clock.advance(61)
    await service.sign_in(_request("ann"), remote_address="192.0.2.99")
    await service.sign_in(_request("ann"), remote_address="192.0.2.99")


async def test_an_address_is_throttled_over_all_names(world: World) -> None:
    await world.user("ann")
    service = world.services.logins
    for n in range(20):
        with pytest.raises(NotSignedIn):
            await service.sign_in(_request(f"name{n}", "wrong"), remote_address="192.0.2.1")
    with pytest.raises(Throttled):
        await service.sign_in(_request("ann"), remote_address="192.0.2.1")
    await service.sign_in(_request("ann"), remote_address="192.0.2.2")


async def test_good_sign_ins_do_not_keep_an_addresss_old_failures_alive(world: World) -> None:
    await world.user("ann")
    service = world.services.logins
    for n in range(20):
        with pytest.raises(NotSignedIn):
            await service.sign_in(_request(f"name{n}", "wrong"), remote_address="192.0.2.1")
    for _ in range(6):
        world.clock.advance(600)
        await service.sign_in(_request("ann"), remote_address="192.0.2.1")
    with pytest.raises(NotSignedIn):
        await service.sign_in(_request("ann", "wrong"), remote_address="192.0.2.1")
    await service.sign_in(_request("ann"), remote_address="192.0.2.1")


async def test_failures_between_good_sign_ins_are_counted_on(world: World) -> None:
    await world.user("ann")
    service = world.services.logins
    for n in range(20):
        with pytest.raises(NotSignedIn):
            await service.sign_in(_request(f"name{n}", "wrong"), remote_address="192.0.2.1")
        world.clock.advance(1200)
        if n < 19:
            await service.sign_in(_request("ann"), remote_address="192.0.2.1")
    with pytest.raises(NotSignedIn):
        await service.sign_in(_request("name", "wrong"), remote_address="192.0.2.1")
    with pytest.raises(Throttled):
        await service.sign_in(_request("ann"), remote_address="192.0.2.1")


async def test_many_tries_at_once_after_a_long_quiet_are_counted(world: World) -> None:
    await world.user("ann")
    with pytest.raises(NotSignedIn):
        await world.services.logins.sign_in(_request("ann", "wrong"), remote_address=None)
    world.clock.advance(3600)
    results = await asyncio.gather(
        *(world.services.logins.sign_in(_request("ann", "wrong"), remote_address=None) for _ in range(40)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Throttled) for result in results) == 35


async def test_many_tries_at_once_are_not_more_than_in_a_row(world: World) -> None:
    await world.user("ann")
    results = await asyncio.gather(
        *(world.services.logins.sign_in(_request("ann", "wrong"), remote_address=None) for _ in range(40)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Throttled) for result in results) == 35


async def test_throttles_survive_a_restart(world: World) -> None:
    await world.user("ann")
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            await world.services.logins.sign_in(_request("ann", "wrong"), remote_address=None)
    fresh = World(world.ctx.store, world.viewer_trust_file.parent)
    fresh.clock.at = world.clock.at
    with pytest.raises(Throttled):
        await fresh.services.logins.sign_in(_request("ann"), remote_address=None)
    fresh.ctx.passwords.close()


async def test_unknown_names_cost_the_same_hash(world: World) -> None:
    assert not await world.ctx.passwords.verify(None, "nobody has this password")
    known = await world.ctx.passwords.hash(EASY)
    assert known.startswith("$argon2id$")
    assert await world.ctx.passwords.verify(known, EASY)
    assert not await world.ctx.passwords.verify("not a hash", EASY)


async def test_passwords_change_and_other_logins_end_and_by_an_administrator_tokens_too(world: World) -> None:
    ann = await world.user("ann")
    service, people = world.services.logins, world.services.people
    here = await service.sign_in(_request("ann"), remote_address=None)
    there = await service.sign_in(_request("ann"), remote_address=None)
    identity = await service.authenticate(here.cookie, remote_address=None)
    assert identity is not None
    with pytest.raises(Refused, match="current password is wrong"):
        await people.set_password(identity, "ann", PasswordRequest(password=SecretStr("another password")))
    await people.set_password(
        identity, "ann", PasswordRequest(password=SecretStr("another password"), current=SecretStr(EASY))
    )
    assert await service.authenticate(here.cookie, remote_address=None) is not None
    assert await service.authenticate(there.cookie, remote_address=None) is None
    bob = await world.user("bob")
    with pytest.raises(Refused):
        await people.set_password(bob, "ann", PasswordRequest(password=SecretStr("stolen password")))
    tokens = world.services.tokens
    token, of_bob = await tokens.create(ann, TokenRequest(name="ci")), await tokens.create(bob, TokenRequest(name="ci"))
    await people.set_password(
        identity, "ann", PasswordRequest(password=SecretStr(EASY), current=SecretStr("another password"))
    )
    assert await tokens.authenticate(token.token, remote_address=None) is not None
    await people.set_password(LOCAL_ROOT, "ann", PasswordRequest(password=SecretStr("a third password")))
    assert await service.authenticate(here.cookie, remote_address=None) is None
    assert await tokens.authenticate(token.token, remote_address=None) is None
    assert await tokens.authenticate(of_bob.token, remote_address=None) is not None


async def test_tokens_are_their_owners_and_expire(world: World) -> None:
    ann, bob = await world.user("ann"), await world.user("bob")
    service = world.services.tokens
    made = await service.create(ann, TokenRequest(name="ci", expires_in_s=3600))
    identity = await service.authenticate(made.token, remote_address="192.0.2.1")
    assert identity is not None
    assert (identity.user_id, identity.csrf) == (ann.user_id, None)
    assert (await service.list_for(bob)).items == []
    [listed] = (await service.list_for(ann)).items
    assert listed.last_used_at == world.clock.now()
    with pytest.raises(NotFound):
        await service.delete(bob, made.id)
    world.clock.advance(3601)
    assert await service.authenticate(made.token, remote_address=None) is None
    second = await service.create(ann, TokenRequest(name="ci"))
    await service.delete(ann, second.id)
    assert await service.authenticate(second.token, remote_address=None) is None


async def test_users_have_names_of_their_own_and_one_administrator_stays(world: World) -> None:
    boss = await world.user("boss", role="administrator")
    await world.user("ann")
    with pytest.raises(NameTaken, match="called ann already"):
        await world.user("ann")
    with pytest.raises(Conflict, match="only administrator"):
        await world.services.people.delete(boss, "boss")
    await world.services.people.delete(boss, "ann")
    assert [user.name for user in (await world.services.people.list_for(boss)).items] == ["boss"]
    assert (await world.services.people.me(boss)).name == "boss"


async def test_users_are_listed_in_pages(world: World) -> None:
    for n in range(5):
        await world.user(f"user{n}")
    seen: list[str] = []
    cursor = None
    while True:
        page = await world.services.people.list_for(LOCAL_ROOT, limit=2, cursor=cursor)
        seen += [user.name for user in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"user{n}" for n in range(5)]


async def test_old_logins_are_forgotten(world: World) -> None:
    await world.user("ann")
    await world.services.logins.sign_in(_request("ann"), remote_address=None)
    later = world.clock.now() + timedelta(days=2)
    await world.ctx.store.write(lambda tx: logins.purge(tx, now=later, throttles_before=later))
    assert await world.ctx.store.read(lambda tx: tx.execute(t.logins.select()).all()) == []
