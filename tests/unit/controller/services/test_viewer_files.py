"""Files for native viewers: whose they are, and what is in them."""

from __future__ import annotations

import pytest

from frazil.controller.identity import LOCAL_ROOT
from frazil.model.errors import Conflict, InvalidInput, NotFound, Unavailable
from frazil.wire.policy import PolicyChange
from frazil.wire.rest import PoolChange, SessionRequest
from frazil.wire.sessions import RedeemRequest
from frazil.wire.viewer_trust import ViewerTrust
from tests.unit.controller.world import VIEWER_TRUST, World

AT = "desk.example:8443"


async def _opened(world: World) -> str:
    pool = await world.ready_pool(spares=1)
    await world.user("ann")
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    opened = await world.services.sessions.open(await world.identity("ann"), SessionRequest(pool="desk"))
    await world.settle()
    return opened.session.id


def _read(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines()[1:])


async def test_its_password_is_a_ticket_of_the_session(world: World) -> None:
    session_id = await _opened(world)
    ann = await world.identity("ann")
    made = await world.services.viewer_files.make(ann, session_id, authority=AT)
    session = await world.services.sessions.show(ann, session_id)
    values = _read(made.text)
    assert made.name == f"{session.desktop.name}.vv"
    assert values["host"] == session_id
    assert values["proxy"] == f"http://{AT}"
    assert values["title"] == session.pool_name
    assert values["host-subject"] == VIEWER_TRUST.host_subject
    request = RedeemRequest(session_id=session_id, ticket=values["password"], remote_address="::1")
    assert (await world.services.tickets.redeem(request)).route.session_id == session_id
    assert values["password"] not in repr(made)


async def test_it_says_what_the_policy_forbids(world: World) -> None:
    session_id = await _opened(world)
    pool = await world.services.pools.show(world.root, "desk")
    await world.services.pools.change(
        world.root, "desk", PoolChange(policy=PolicyChange(usb=False)), if_match=pool.version
    )
    made = await world.services.viewer_files.make(await world.identity("ann"), session_id, authority=AT)
    assert _read(made.text)["enable-usbredir"] == "0"


async def test_nobody_else_gets_one(world: World) -> None:
    session_id = await _opened(world)
    await world.user("bob")
    await world.user("boss", role="administrator")
    for name in ("bob", "boss"):
        with pytest.raises(NotFound):
            await world.services.viewer_files.make(await world.identity(name), session_id, authority=AT)
    with pytest.raises(Conflict):
        await world.services.viewer_files.make(LOCAL_ROOT, session_id, authority=AT)


async def test_no_ticket_is_made_for_a_file_that_can_not_be(world: World) -> None:
    session_id = await _opened(world)
    ann = await world.identity("ann")

    async def refused(kind: type[Exception], authority: str = AT) -> None:
        before = world.ctx.store.changed.version
        with pytest.raises(kind):
            await world.services.viewer_files.make(ann, session_id, authority=authority)
        assert world.ctx.store.changed.version == before

    await refused(InvalidInput, "a b")
    world.viewer_trust_file.write_text(ViewerTrust(ca_pem="", host_subject=None).model_dump_json())
    await refused(InvalidInput)
    world.viewer_trust_file.write_text("{")
    await refused(Unavailable)
    world.viewer_trust_file.unlink()
    await refused(Unavailable)
