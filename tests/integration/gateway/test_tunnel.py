"""A native viewer's way in: CONNECT to a session, TLS with the gateway inside it, SPICE in that."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from frazil.gateway import streams
from frazil.gateway.streams import TunnelStream
from frazil.spice.channels import ChannelType
from frazil.spice.link_errors import LinkError
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.stage import DEADLINE_S, FIRST_ON_DISPLAY, Connections, Stage, staged
from tests.integration.gateway.test_links import enter, told

pytestmark = pytest.mark.real
ID = "01900000-0000-7000-8000-0123456789ab"


@pytest.fixture
async def plain_stage() -> AsyncIterator[Stage]:
    """No back end: nothing here reaches a desktop."""
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with staged(Path(directory), Path(directory) / "none") as running:
            yield running


@pytest.mark.parametrize("in_tls", [False, True])
async def test_main_and_display_come_through_the_tunnel(stage: Stage, back_end: BackEnd, in_tls: bool) -> None:
    session_id = stage.controller.open_session()
    async with stage.tunnel(session_id, in_tls=in_tls) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        await told(stage, session_id, connected=True)
        async with stage.tunnel(session_id, in_tls=in_tls) as display:
            await display.link(ChannelType.DISPLAY, connection_id=connection_id)
            assert await display.give(ticket) == LinkError.OK
            await display.send(FIRST_ON_DISPLAY)
            assert await display.read(6)
            assert {1, 2} <= back_end.channels()
    await told(stage, session_id, connected=False)


async def test_a_revocation_cuts_at_once(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.tunnel(session_id) as main:
        await enter(stage, main, session_id)
        stage.controller.end_session(session_id)
        await main.ended()


async def test_a_page_and_a_native_viewer_take_the_desktop_from_each_other(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as page, stage.tunnel(session_id) as native:
        await enter(stage, page, session_id)
        await enter(stage, native, session_id)
        await page.ended()
        await native.lives()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (f"{ID}:x", b"403"),
        (f"{ID}", b"403"),
        (f"{ID.upper()}:1", b"403"),
        (f"x{ID}:1", b"403"),
        ("127.0.0.1:22", b"403"),
        ("localhost:8443", b"403"),
        ("[::1]:22", b"403"),
        ("http://localhost/", b"403"),
        ("", b"400"),
        ("a b", b"400"),
    ],
)
@pytest.mark.parametrize("in_tls", [False, True])
async def test_it_is_no_open_proxy(plain_stage: Stage, target: str, status: bytes, in_tls: bool) -> None:
    connections = Connections.to(plain_stage)
    reader, writer = await (connections.tls() if in_tls else connections.plain())
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), DEADLINE_S)
    assert answer.split()[1] == status
    assert answer.partition(b"\r\n\r\n")[2].strip().endswith(b".")
    writer.close()
    assert plain_stage.displays.asked == []


@pytest.mark.parametrize(
    "head",
    [
        b"CONNECT\r\n\r\n",
        b"CONNxxxx " + ID.encode() + b":1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT " + ID.encode() + b":1 HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01",
        b"CONNECT " + ID.encode() + b":1 HTTP/1.1\r\nHost: x\r\nx: " + b"y" * 40_000 + b"\r\n\r\n",
    ],
)
async def test_bad_heads_are_refused(plain_stage: Stage, head: bytes) -> None:
    reader, writer = await Connections.to(plain_stage).plain()
    writer.write(head)
    writer.write_eof()
    assert (await asyncio.wait_for(reader.read(), DEADLINE_S)).split()[1] == b"400"
    writer.close()


async def test_what_is_no_tls_after_connect_is_closed(plain_stage: Stage) -> None:
    reader, writer = await Connections.to(plain_stage).plain()
    writer.write(f"CONNECT {ID}:1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
    writer.write(b"REDQ" + bytes(60))
    assert len(await asyncio.wait_for(reader.read(), DEADLINE_S)) < 16  # A TLS alert at most.
    writer.close()


async def test_a_name_that_is_no_session_learns_nothing_before_tls(plain_stage: Stage) -> None:
    """Whether a session is there is said inside TLS, in SPICE's words, as over WebSocket."""
    async with plain_stage.tunnel(ID) as client:
        assert (await client.link(ChannelType.MAIN)).error == LinkError.PERMISSION_DENIED
        await client.ended()


async def test_slow_heads_are_dropped(plain_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.gateway.entrance.PLAIN_DEADLINE_S", 0.3)
    reader, writer = await Connections.to(plain_stage).plain()
    writer.write(b"CONNECT ")
    assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
    writer.close()


async def test_a_silent_tunnel_is_dropped(plain_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.gateway.links.HANDSHAKE_DEADLINE_S", 0.3)
    async with plain_stage.tunnel(ID) as client:
        await client.ended()


async def test_a_viewer_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STALLED_DEADLINE_S", 0.2)
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        stream = TunnelStream(reader, writer, read_max_bytes=1 << 16)
        with pytest.raises(ConnectionAbortedError):
            await stream.write(bytes(8 << 20))
        writer.transport.abort()


async def test_the_inner_certificate_is_the_gateways_own(plain_stage: Stage) -> None:
    stranger = ssl.create_default_context()
    reader, writer = await asyncio.open_connection("127.0.0.1", plain_stage.port)
    writer.write(f"CONNECT {ID}:1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
    with pytest.raises(ssl.SSLCertVerificationError):
        await writer.start_tls(stranger, server_hostname="localhost")
    writer.close()
