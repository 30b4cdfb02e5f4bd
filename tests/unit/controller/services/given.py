"""People with an open session, for tests of what follows."""

from __future__ import annotations

from frazil.controller.identity import Identity
from frazil.wire.rest import NewSession, Pool, SessionRequest
from frazil.wire.sessions import RedeemRequest
from tests.unit.controller.world import World


async def entitled(world: World, pool: Pool, name: str) -> Identity:
    user = await world.user(name)
    await world.services.entitlements.grant(world.root, pool.id, name)
    return user


async def opened_session(world: World, name: str = "ann") -> tuple[Identity, NewSession]:
    pool = await world.ready_pool()
    user = await entitled(world, pool, name)
    return user, await world.services.sessions.open(user, SessionRequest(pool=pool.id))


def redeeming(opened: NewSession, ticket: str | None = None) -> RedeemRequest:
    assert opened.ticket is not None
    return RedeemRequest(
        session_id=opened.session.id, ticket=ticket or opened.ticket.ticket, remote_address="192.0.2.9"
    )
