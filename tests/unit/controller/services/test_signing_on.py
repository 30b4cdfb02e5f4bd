"""Who is signed on where: the spec names its person, the token stays the same, and leaving ends the session."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from frazil.controller.services import signing_on
from frazil.controller.store import desktops
from frazil.controller.store.tables import metadata
from frazil.model.desktop import Epoch
from frazil.wire.hostlink import DesktopSpec, Person, SignOn
from tests.unit.controller.services.given import opened_session
from tests.unit.controller.world import World


async def _spec(world: World, desktop_id: str) -> DesktopSpec:
    (spec,) = [spec for spec in (await world.hosts[0].take()).desktops if spec.desktop_id == desktop_id]
    return spec


async def _person(world: World, desktop_id: str) -> Person:
    person = (await _spec(world, desktop_id)).person
    assert person is not None
    return person


async def test_a_given_desktop_names_its_person_and_a_spare_nobody(world: World) -> None:
    _, opened = await opened_session(world)
    await world.settle()
    specs = (await world.hosts[0].take()).desktops
    people = {spec.desktop_id: spec.person for spec in specs}
    mine = people.pop(opened.session.desktop.id)
    assert mine is not None
    assert (mine.name, len(mine.token)) == ("ann", 43)
    assert mine.full_name
    assert list(people.values()) == [None]


async def test_a_token_stays_for_a_session_and_changes_with_the_attempt_and_the_placement() -> None:
    epoch = Epoch(1, 2)
    one = signing_on.token("key", "session", "desktop", epoch, 1)
    assert one == signing_on.token("key", "session", "desktop", epoch, 1)
    others = {
        signing_on.token("other", "session", "desktop", epoch, 1),
        signing_on.token("key", "later", "desktop", epoch, 1),
        signing_on.token("key", "session", "other", epoch, 1),
        signing_on.token("key", "session", "desktop", Epoch(2, 2), 1),
        signing_on.token("key", "session", "desktop", epoch, 2),
    }
    assert len(others - {one}) == 5


async def test_no_token_is_in_the_database(world: World) -> None:
    _, opened = await opened_session(world)
    token = (await _person(world, opened.session.desktop.id)).token

    def everything(tx: sa.Connection) -> str:
        return repr([tx.execute(sa.select(table)).fetchall() for table in metadata.sorted_tables])

    said = await world.ctx.store.read(everything)
    assert opened.session.id in said
    assert token not in said


async def test_signing_out_in_the_desktop_ends_the_session_of_that_token_only(world: World) -> None:
    user, opened = await opened_session(world)
    desktop_id = opened.session.desktop.id
    spec = await _spec(world, desktop_id)
    assert spec.person is not None
    digest = hashlib.sha256(spec.person.token.encode()).hexdigest()
    seen = world.hosts[0].see(spec)
    for state, of_token in (("on", digest), ("left", "0" * 64), ("failed", digest)):
        said = SignOn.model_validate({"user": "ann", "token_sha256": of_token, "state": state})
        await world.hosts[0].report(desktops=[seen.model_copy(update={"sign_on": said})])
        assert (await world.services.sessions.show(user, opened.session.id)).id == opened.session.id

    left = SignOn(user="ann", token_sha256=digest, state="left")
    await world.hosts[0].report(desktops=[seen.model_copy(update={"sign_on": left})])
    assert not (await world.services.sessions.list_for(user)).items
    await world.settle()
    assert await world.ctx.store.read(lambda tx: desktops.find(tx, desktop_id)) is None


async def test_who_is_signed_out_by_a_restart_stays_in_their_session(world: World) -> None:
    user, opened = await opened_session(world)
    desktop_id = opened.session.desktop.id
    spec = await _spec(world, desktop_id)
    assert spec.person is not None
    digest = hashlib.sha256(spec.person.token.encode()).hexdigest()
    left = SignOn(user="ann", token_sha256=digest, state="left")
    shutting_down = world.hosts[0].see(spec).model_copy(update={"sign_on": left})
    await world.services.desktops.act(world.root, desktop_id, "restart")
    await world.hosts[0].report(desktops=[shutting_down])
    assert (await world.services.sessions.show(user, opened.session.id)).desktop.id == desktop_id
    await world.services.desktops.act(world.root, desktop_id, "start")  # in vain: it runs, and nobody is signed on
    await world.hosts[0].report(desktops=[shutting_down])
    assert not (await world.services.sessions.list_for(user)).items
