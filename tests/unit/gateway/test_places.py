"""Places for links that are being made: everybody has a share."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from frazil.gateway.places import ADDRESS_PLACES, PLACES, SESSION_PLACES, Places, network_of

DEADLINE_S = 30.0


async def full(stack: AsyncExitStack, places: Places, session_id: str, address: str, *, times: int) -> None:
    for _ in range(times):
        await stack.enter_async_context(places.place(session_id, address))


async def free(places: Places, session_id: str, address: str) -> None:
    async with asyncio.timeout(DEADLINE_S), places.place(session_id, address):
        pass


async def taken(places: Places, session_id: str, address: str) -> None:
    """Who waits there is not let in by anything that happens now."""
    waiting = asyncio.create_task(free(places, session_id, address))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_one_session_leaves_room_for_the_others_wherever_its_links_come_from() -> None:
    places = Places()
    async with AsyncExitStack() as held:
        for number in range(SESSION_PLACES // ADDRESS_PLACES):
            await full(held, places, "mine", f"192.0.2.{number}", times=ADDRESS_PLACES)
        await taken(places, "mine", "192.0.2.9")
        await free(places, "another", "192.0.2.9")
    await free(places, "mine", "192.0.2.9")


async def test_one_address_keeps_neither_others_nor_the_sessions_owner_out() -> None:
    places = Places()
    async with AsyncExitStack() as held:
        await full(held, places, "seen", "192.0.2.1", times=ADDRESS_PLACES)
        crowd = [asyncio.create_task(free(places, "seen", "192.0.2.1")) for _ in range(PLACES)]
        await taken(places, "another", "192.0.2.1")
        await free(places, "seen", "192.0.2.2")
        await free(places, "another", "192.0.2.2")
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*crowd)


async def test_the_process_has_a_most() -> None:
    places = Places()
    async with AsyncExitStack() as held:
        for number in range(PLACES // ADDRESS_PLACES):
            await full(held, places, f"s{number}", f"192.0.2.{number}", times=ADDRESS_PLACES)
        await taken(places, "another", "198.51.100.1")


async def test_nothing_is_kept_of_who_has_left() -> None:
    places = Places()
    async with AsyncExitStack() as held:
        await full(held, places, "mine", "192.0.2.1", times=ADDRESS_PLACES)
        await taken(places, "mine", "192.0.2.1")
    assert not places._addresses._at
    assert not places._sessions._at


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_neighbour(address: str, network: str) -> None:
    assert network_of(address) == network
