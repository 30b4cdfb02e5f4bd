"""A session's policy holds in its real links: against QEMU's own SPICE server, by WebSocket and through a tunnel."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from frazil.model.policy import Policy
from frazil.spice.channels import ChannelType
from frazil.spice.link_errors import LinkError
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.stage import DEADLINE_S, Stage, staged
from tests.integration.gateway.test_links import enter

pytestmark = pytest.mark.real
NOTHING = Policy(sound=False, microphone=False, usb=False, folders=False)
FORBIDDEN = {ChannelType.PLAYBACK, ChannelType.RECORD, ChannelType.USBREDIR}
DEVICES = (
    "-audiodev", "spice,id=sound", "-device", "ich9-intel-hda", "-device", "hda-duplex,audiodev=sound",
    "-chardev", "spicevmc,id=usb,name=usbredir", "-device", "usb-redir,chardev=usb",
)  # fmt: skip


@pytest.fixture(scope="module")
def back_end() -> Iterator[BackEnd]:
    """One with sound and USB."""
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory, BackEnd(Path(directory), *DEVICES) as running:
        yield running


@pytest.fixture
async def stage(back_end: BackEnd) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with staged(Path(directory), back_end.socket) as running:
            yield running


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
async def test_what_is_forbidden_is_neither_listed_nor_linked(stage: Stage, way: str) -> None:
    session_id = stage.controller.open_session()
    stage.controller.change_policy(session_id, NOTHING, tell=False)
    async with stage.way(way, session_id) as main:
        _, connection_id = await enter(stage, main, session_id)
        assert not await main.channels() & FORBIDDEN
        for channel in FORBIDDEN:
            async with stage.way(way, session_id) as other:
                reply = await other.link(channel, connection_id=connection_id)
                assert reply.error == LinkError.CHANNEL_NOT_AVAILABLE
        await main.lives()


async def test_what_is_allowed_is_listed_and_links_outlive_a_change(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        assert await main.channels() >= FORBIDDEN
        async with stage.websocket(session_id) as playback:
            await playback.link(ChannelType.PLAYBACK, connection_id=connection_id)
            assert await playback.give(ticket) == LinkError.OK
            stage.controller.change_policy(session_id, NOTHING)
            async with asyncio.timeout(DEADLINE_S):
                while await main.channels() & FORBIDDEN:
                    """The change is on its way."""
            async with stage.websocket(session_id) as record:
                reply = await record.link(ChannelType.RECORD, connection_id=connection_id)
                assert reply.error == LinkError.CHANNEL_NOT_AVAILABLE
            stage.controller.change_policy(session_id, Policy())
            async with asyncio.timeout(DEADLINE_S):
                while not await main.channels() >= FORBIDDEN:
                    """The change is on its way."""
