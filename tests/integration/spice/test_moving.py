"""A desktop that goes from one real spice-server to another is followed, in each of the three ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from frazil import viewer
from frazil.model.errors import Refused
from frazil.spice.base_messages import Migrate
from frazil.spice.channels import ChannelType
from frazil.viewer import Address, Desktop
from frazil.viewer.line import Line
from frazil.viewer.links import Links
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put
from tests.harness.qxl_card import Card, CardSettings, qxl_card

DEADLINE_S = 60.0
WIDTH, HEIGHT = 256, 192
HOST = "127.0.0.1"
A_DOWN, A_UP = 0x1E, 0x9E


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def shows(desktop: Desktop, card: Card) -> None:
    """Wait until the viewer has what the card shows."""
    theirs = await asyncio.to_thread(card.screen)  # a server that takes over waits for what we carry to it
    wanted = np.stack([theirs >> shift & 0xFF for shift in (16, 8, 0)], axis=2)
    await desktop.wait_until(lambda seen: np.array_equal(seen.rgb, wanted), timeout_s=DEADLINE_S)


@contextmanager
def two_servers(*, seamless: bool = False, switches: bool = False) -> Iterator[tuple[Card, Card]]:
    """Where a desktop is, and where it goes: there it waits, as one that comes in does."""
    with (
        qxl_card(CardSettings(seamless=seamless, switches=switches)) as source,
        qxl_card(CardSettings(seamless=seamless, waits=True)) as target,
    ):
        yield source, target


@pytest.mark.parametrize("way", ["switch host", "semi-seamless", "seamless"])
async def test_a_desktop_that_moves_is_followed(way: str) -> None:
    artist = Artist(31, WIDTH, HEIGHT)
    asked: list[Address] = []

    def follow(there: Address) -> bool:
        asked.append(there)
        return True

    with two_servers(seamless=way == "seamless", switches=way == "switch host") as (source, target):
        async with viewer.connect(f"spice://{HOST}:{source.port}", follow=follow) as desktop:
            source.draw(put(artist.picture(WIDTH, HEIGHT)))
            await shows(desktop, source)
            before = desktop.info
            if way == "switch host":
                source.switch_host(HOST, target.port)
            else:
                source.move(HOST, target.port)
                await reached(source.clients_linked)
                assert desktop.info.drawings == before.drawings
                source.moved()
            await asyncio.to_thread(target.start)  # as above
            target.draw(put(artist.picture(WIDTH, HEIGHT)))
            await shows(desktop, target)
            assert desktop.drawings > before.drawings
            assert desktop.info.received_bytes > before.received_bytes
            await desktop.press("a")
            await reached(lambda: target.keys() == [A_DOWN, A_UP])
            assert source.keys() == []
    assert [(there.host, there.port, there.tls_port) for there in asked] == [(HOST, target.port, None)]


@pytest.mark.parametrize("late", [ChannelType.DISPLAY, ChannelType.INPUTS, ChannelType.CURSOR])
async def test_no_link_is_cut_before_it_has_gone_over(late: ChannelType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source ends all links as soon as the main one is closed."""
    artist = Artist(33, WIDTH, HEIGHT)
    gone: list[int] = []
    hand_over = vars(Links)["_hand_over"]
    with two_servers(seamless=True) as (source, target):

        async def in_turn(links: Links, line: Line, told: Migrate) -> None:
            if line.kind == late:
                await reached(lambda: ChannelType.MAIN in gone)
                for _ in range(10):  # the source has time to see it
                    await asyncio.to_thread(source.keys)
            await hand_over(links, line, told)
            gone.append(line.kind)

        monkeypatch.setattr(Links, "_hand_over", in_turn)
        async with viewer.connect(f"spice://{HOST}:{source.port}", follow=lambda _: True) as desktop:
            await desktop.wait_for_picture(timeout_s=DEADLINE_S)
            source.move(HOST, target.port)
            await reached(source.clients_linked)
            source.moved()
            await asyncio.to_thread(target.start)
            target.draw(put(artist.picture(WIDTH, HEIGHT)))
            await reached(lambda: late in gone)
            await shows(desktop, target)
    assert gone[-1] == late


async def test_a_move_that_is_called_off_changes_nothing() -> None:
    artist = Artist(32, WIDTH, HEIGHT)
    with two_servers() as (source, target):
        async with viewer.connect(f"spice://{HOST}:{source.port}", follow=lambda _: True) as desktop:
            await desktop.wait_for_picture(timeout_s=DEADLINE_S)
            source.move(HOST, target.port)
            await reached(source.clients_linked)
            source.stays()
            source.draw(put(artist.picture(WIDTH, HEIGHT)))
            await shows(desktop, source)
            await desktop.press("a")
            await reached(lambda: source.keys() == [A_DOWN, A_UP])


async def test_a_desktop_is_not_followed_unasked() -> None:
    with two_servers(seamless=True) as (source, target):
        async with viewer.connect(f"spice://{HOST}:{source.port}") as desktop:
            await desktop.wait_for_picture(timeout_s=DEADLINE_S)
            source.move(HOST, target.port)
            source.moved()
            with pytest.raises(Refused, match=f"moves to {HOST}:{target.port}, and this connection does not follow it"):
                await desktop.wait_for_drawing(timeout_s=DEADLINE_S)
