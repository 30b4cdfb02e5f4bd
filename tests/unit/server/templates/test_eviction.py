"""A host whose disk runs short lets templates go, says so, and makes them again when there is room."""

from __future__ import annotations

import asyncio
from pathlib import Path

from frazil.runtime import SystemClock
from frazil.server.templates.room import QUIET_S
from frazil.server.templates.templates import Impossible
from tests.unit.server.templates.templates_host import MIB, PROFILE, WANTED, Host

STALE = "f" * 32


async def test_one_that_nobody_wants_goes_and_the_wanted_one_stays(place: Path) -> None:
    host = Host(place)
    host.keep(STALE, mib=8, used_ago_s=5)
    host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 2)
    host.store.size_bytes = 110 * MIB
    async with host.running():
        await host.hears()
        assert host.there() == {host.wanted_key()}
        assert "The template of office was removed: its 8 MiB of disk are needed" in host.said[0]
        await host.until("ready")


async def test_one_that_a_desktop_is_made_of_stays_however_full_it_is(place: Path) -> None:
    host = Host(place)
    host.keep(STALE, mib=8, used_ago_s=QUIET_S * 9)
    host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 9)
    host.busy = [STALE, host.wanted_key()]
    host.store.size_bytes = 20 * MIB
    async with host.running():
        await host.hears()
        assert host.there() == {STALE, host.wanted_key()}
    assert host.said == []


async def test_a_wanted_one_goes_last_and_the_console_hears_why(place: Path) -> None:
    host = Host(place)
    host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 2)
    host.store.size_bytes = 50 * MIB
    async with host.running():
        await host.hears()
        async with asyncio.timeout(30):
            while not host.seen:
                await host.hears()
    assert host.there() == set()
    assert host.seen[-1].state == "failed"
    assert "short of room" in host.seen[-1].step
    condition = host.templates.condition(WANTED, PROFILE)
    assert isinstance(condition, Impossible), "desktops boot meanwhile; it is not made again at once"


async def test_one_that_was_just_chosen_for_a_desktop_stays(place: Path) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 2)
    host.store.size_bytes = 10_000 * MIB
    async with host.running():
        await host.hears()
        assert host.templates.condition(WANTED, PROFILE) == kept
        assert SystemClock().now().timestamp() - kept.last_used_s() < 60, "its use was noted"
        host.store.size_bytes = 50 * MIB
        kept.used(0)
        await host.templates._make_room(0)
    assert host.there() == {host.wanted_key()}


async def test_without_room_none_is_begun(place: Path) -> None:
    host = Host(place)
    host.store.size_bytes = 300 * MIB
    async with host.running():
        await host.until("failed")
    assert "this host has 300 MiB" in host.seen[-1].step
    assert "Free disk space" in host.seen[-1].step
    assert list((place / "templates" / ".staging").iterdir()) == []
