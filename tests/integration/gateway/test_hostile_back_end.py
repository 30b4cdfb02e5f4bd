"""A desktop's display that does not keep to the protocol costs its own link bounded time, and no other anything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from frazil.gateway.close_codes import CloseCode
from frazil.spice import link
from frazil.spice.auth import ENCRYPTED_BYTES, TicketKey
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.link import LinkReply
from frazil.spice.link_errors import LinkError
from frazil.spice.main_channel import MainServer
from frazil.spice.records import encode as encode_body
from tests.integration.gateway.played import INIT, flood
from tests.integration.gateway.stage import DEADLINE_S, Stage
from tests.integration.gateway.test_links import enter

KEY = TicketKey()
REPLY = link.encode_reply(LinkReply(error=0, public_key=KEY.public_der, common_caps=(0b1011,)))
OTHER_KIND = KEY.public_der.replace(b"\x01\x01\x01\x05\x00", b"\x01\x01\x02\x05\x00")
"""The algorithm's number is another one."""
PIECE = bytes(64 << 10)
SENT_MAX_BYTES = 16 << 20
"""Kernel buffers on the way hold some megabytes; the gateway holds no more."""


async def _heard(reader: asyncio.StreamReader) -> None:
    await reader.readexactly(link.decode_header(await reader.readexactly(link.HEADER_BYTES)))


async def _says_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _drips(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in REPLY:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def _half_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _heard(reader)
    writer.write(REPLY[:20])
    writer.write_eof()
    await reader.read()


async def _half_closes_later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _heard(reader)
    writer.write(REPLY)
    await reader.readexactly(4 + ENCRYPTED_BYTES)
    writer.write_eof()
    await reader.read()


def _answers(packet: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _heard(reader)
        writer.write(packet)
        await reader.read()

    return answer


def _with_key(key: bytes) -> bytes:
    return link.encode_reply(LinkReply(error=0, public_key=key, common_caps=(0b1011,)))


@asynccontextmanager
async def display(
    stage: Stage, place: Path, play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> AsyncIterator[None]:
    """In the place of the stage's own."""
    before, stage.displays.back_end = stage.displays.back_end, place / "hostile"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            await play(reader, writer)
        writer.transport.abort()

    async with await asyncio.start_unix_server(serve, stage.displays.back_end):
        yield
    stage.displays.back_end = before


@pytest.mark.parametrize(
    ("play", "code"),
    [
        pytest.param(_says_nothing, CloseCode.BAD_LINK, id="says nothing"),
        pytest.param(_drips, CloseCode.BAD_LINK, id="drips"),
        pytest.param(_half_closes, CloseCode.BACKEND_GONE, id="closes one direction"),
        pytest.param(_half_closes_later, CloseCode.BACKEND_GONE, id="closes one direction after the password"),
        pytest.param(
            _answers(REPLY[:12] + b"\xff\xff\xff\xff"), CloseCode.BACKEND_GONE, id="a reply of four gigabytes"
        ),
        pytest.param(
            _answers(REPLY[:182] + b"\xff\xff\xff\xff" * 2 + REPLY[190:]), CloseCode.BACKEND_GONE, id="many words"
        ),
        pytest.param(_answers(b"\xff" * 4096), CloseCode.BACKEND_GONE, id="garbage"),
        pytest.param(_answers(_with_key(b"\xff" * 162)), CloseCode.BACKEND_GONE, id="no key"),
        pytest.param(_answers(_with_key(OTHER_KIND)), CloseCode.BACKEND_GONE, id="a key of another kind"),
    ],
)
async def test_it_ends_in_words_and_in_time(
    played_stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    play: Callable[..., Awaitable[None]],
    code: int,
) -> None:
    stage = played_stage
    monkeypatch.setattr("frazil.gateway.links.HANDSHAKE_DEADLINE_S", 1.0)
    session_id = stage.controller.open_session()
    with capture_logs() as logs:
        async with display(stage, tmp_path, play), stage.websocket(session_id) as client:
            await client.ask(ChannelType.MAIN)
            with contextlib.suppress(EOFError):
                if (await client.read_reply()).error == LinkError.OK:
                    await client.give(stage.controller.mint(session_id))
            assert await client.closed() == code
        async with stage.websocket(session_id) as again:
            await enter(stage, again, session_id)
    assert "gateway.bug" not in [entry["event"] for entry in logs]


class Deaf:
    """Enters a main link, and then reads nothing until it is told to."""

    def __init__(self) -> None:
        self.listens = asyncio.Event()
        self.heard_bytes = 0

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _heard(reader)
        writer.write(REPLY)
        await reader.readexactly(4 + ENCRYPTED_BYTES)
        writer.write(bytes(4) + encode(HeaderKind.MINI, MainServer.INIT, encode_body(INIT)))
        await self.listens.wait()
        while part := await reader.read(1 << 20):
            self.heard_bytes += len(part)


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
async def test_one_that_reads_nothing_stops_its_client_not_the_gateway(
    played_stage: Stage, tmp_path: Path, way: str
) -> None:
    stage, deaf = played_stage, Deaf()
    session_id = stage.controller.open_session()
    async with display(stage, tmp_path, deaf.play), stage.way(way, session_id) as client:
        await enter(stage, client, session_id)
        async with flood(lambda: client.say(102, PIECE)) as going:
            await going.stopped(within=SENT_MAX_BYTES // len(PIECE))
            said = going.times
            deaf.listens.set()
            async with asyncio.timeout(DEADLINE_S):
                while deaf.heard_bytes < 2 * said * len(PIECE):
                    await asyncio.sleep(0.01)
