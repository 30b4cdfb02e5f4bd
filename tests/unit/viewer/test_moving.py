"""A fake desktop that says that it moves: what the viewer answers, and where it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from frazil import viewer
from frazil.model.errors import Refused, RemoteProtocolError, Unavailable
from frazil.spice.base_messages import BaseServer, Empty, Migrate
from frazil.spice.capabilities import has
from frazil.spice.channels import ChannelType
from frazil.spice.inputs_channel import Key
from frazil.spice.main_channel import MainCap, MainClient, MainServer, MigrateBegin, SwitchHost
from frazil.viewer import Desktop
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures
from tests.harness.watched import DEADLINE_S, opened, reached, said

HOST = "127.0.0.1"


def begin(port: int) -> MigrateBegin:
    return MigrateBegin(port=port, tls_port=0, host=HOST.encode() + b"\0", cert_subject=b"")


def switch(port: int, *, host: bytes = HOST.encode() + b"\0") -> SwitchHost:
    return SwitchHost(port=port, tls_port=0, host=host, cert_subject=b"")


@asynccontextmanager
async def listening(fake: SpiceDesktop) -> AsyncIterator[int]:
    server = await asyncio.start_server(fake.serve, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def two(fakes: tuple[SpiceDesktop, SpiceDesktop], **options: object) -> AsyncIterator[tuple[Desktop, int]]:
    """A viewer on the first one, which may go to the second one; and that one's port."""
    here, there = fakes
    async with listening(here) as from_port, listening(there) as port, here.there(), there.there():
        where = f"spice://{HOST}:{from_port}"
        async with viewer.connect(where, timeout_s=DEADLINE_S, **options) as desktop:  # type: ignore[arg-type]
            await desktop.wait_for_picture()
            yield desktop, port


def tell(fake: SpiceDesktop, number: MainServer, record: object) -> None:
    fake.clients[ChannelType.MAIN].say(number, record)


async def test_a_viewer_follows_where_it_may() -> None:
    here, there = SpiceDesktop(), SpiceDesktop(picture="quic")
    async with two((here, there), follow=lambda place: place.host == HOST) as (desktop, port):
        assert has(here.caps[ChannelType.MAIN], MainCap.SEMI_SEAMLESS_MIGRATE)
        drawings = desktop.drawings
        tell(here, MainServer.MIGRATE_SWITCH_HOST, switch(port))
        seen = captures.screen("quic")
        await desktop.wait_until(lambda now: np.array_equal(now.rgb, seen))
        assert desktop.drawings > drawings
        await desktop.press("a")
        await reached(lambda: len(said(there, Key)) == 2)
        assert not said(here, Key)


async def test_nobody_is_led_away_unasked() -> None:
    here, there = SpiceDesktop(), SpiceDesktop()
    async with two((here, there)) as (desktop, port):
        assert not has(here.caps[ChannelType.MAIN], MainCap.SEMI_SEAMLESS_MIGRATE)
        tell(here, MainServer.MIGRATE_BEGIN, begin(port))
        await reached(lambda: MainClient.MIGRATE_CONNECT_ERROR in here.numbers)
        desktop.screenshot()
        tell(here, MainServer.MIGRATE_SWITCH_HOST, switch(port))
        with pytest.raises(Refused, match=f"moves to {HOST}:{port}, and this connection does not follow it"):
            await desktop.wait_for_drawing()
    assert not there.caps


async def test_a_place_that_does_not_answer_is_told_to_the_old_server() -> None:
    here, there = SpiceDesktop(), SpiceDesktop(password=b"another")
    async with two((here, there), follow=lambda _: True) as (desktop, port):
        tell(here, MainServer.MIGRATE_BEGIN, begin(port))
        await reached(lambda: MainClient.MIGRATE_CONNECT_ERROR in here.numbers)
        desktop.screenshot()
        tell(here, MainServer.MIGRATE_SWITCH_HOST, switch(port))
        with pytest.raises(Refused, match="does not take this password"):
            await desktop.wait_for_drawing()


@pytest.mark.parametrize(
    ("channel", "number", "record", "error", "words"),
    [
        (ChannelType.DISPLAY, BaseServer.MIGRATE, Migrate(flags=0), Unavailable, "does not follow it"),
        (ChannelType.MAIN, MainServer.MIGRATE_END, Empty(), RemoteProtocolError, "where we are not linked"),
        (ChannelType.MAIN, MainServer.MIGRATE_SWITCH_HOST, switch(1, host=b"a b\0"),
         RemoteProtocolError, "name is none"),
    ],
)  # fmt: skip
async def test_moves_that_are_none(
    channel: ChannelType, number: int, record: object, error: type[Exception], words: str
) -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        fake.clients[channel].say(number, record)
        with pytest.raises(error, match=words):
            await desktop.wait_for_drawing()
