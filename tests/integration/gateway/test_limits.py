"""Who opens connections and does not go on costs little memory and keeps nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.own_process import own_process
from tests.integration.gateway.stage import DEADLINE_S, Stage, staged

MANY = 100
PINGS_MAX_BYTES = 100 << 20
PER_CONNECTION_KIB = 200
"""A half-open connection may cost so much: with uvloop, TLS and its buffers take most of it."""


@pytest.fixture
async def plain_stage() -> AsyncIterator[Stage]:
    """No back end: nothing here reaches a desktop."""
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with staged(Path(directory), Path(directory) / "none") as running:
            yield running


Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _silent(stage: Stage) -> Opened:
    return await asyncio.open_connection("127.0.0.1", stage.port)


async def _half_hello(stage: Stage) -> Opened:
    reader, writer = await _silent(stage)
    writer.write(b"\x16\x03\x01\x3f\xf0\x01\x00\x3f\xec\x03\x03" + bytes(16_000))
    await writer.drain()
    return reader, writer


async def _endless_head(stage: Stage) -> Opened:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, ssl=stage.trust)
    writer.write(b"GET / HTTP/1.1\r\nx: " + b"x" * 30_000)
    await writer.drain()
    return reader, writer


async def _half_tunnel(stage: Stage) -> Opened:
    reader, writer = await _silent(stage)
    writer.write(b"CONNECT " + b"x" * 30_000)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("half_open", [_silent, _half_hello, _endless_head, _half_tunnel])
async def test_half_open_connections_cost_little(
    plain_stage: Stage, half_open: Callable[[Stage], Awaitable[Opened]]
) -> None:
    async with own_process(plain_stage) as gateway:
        warm = [await half_open(plain_stage) for _ in range(5)]
        before = gateway.resident_kib()
        held = [await half_open(plain_stage) for _ in range(MANY)]
        url = f"https://{plain_stage.authority}"
        async with httpx.AsyncClient(base_url=url, verify=plain_stage.trust, trust_env=False, timeout=5) as http:
            assert (await http.get("/headers")).status_code == 200
        each = (gateway.resident_kib() - before) / MANY
        for _, writer in (*warm, *held):
            writer.transport.abort()
        assert each < PER_CONNECTION_KIB


@pytest.fixture
def few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.gateway.app.CONNECTIONS_MAX", 3)


async def test_there_is_a_most_of_connections(few_connections: None, plain_stage: Stage) -> None:
    """One too many is closed at once, and takes no place; when another one has gone, there is room again."""
    held = [await _endless_head(plain_stage) for _ in range(3)]
    for _ in range(5):
        reader, writer = await _silent(plain_stage)
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.read() == b""
        writer.close()
    held.pop()[1].transport.abort()
    url = f"https://{plain_stage.authority}"
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with httpx.AsyncClient(base_url=url, verify=plain_stage.trust, trust_env=False) as http:
                with contextlib.suppress(httpx.TransportError):  # until it is seen that the other one has gone
                    assert (await http.get("/headers")).status_code == 200
                    break
    for _, writer in held:
        writer.transport.abort()


async def test_who_pings_and_does_not_read_is_not_read(plain_stage: Stage) -> None:
    pings = (b"\x89\xfd" + bytes(4 + 125)) * 500  # masked with zeros (RFC 6455, 5.2)
    upgrade = (
        f"GET /spice/01900000-0000-7000-8000-000000000000 HTTP/1.1\r\nHost: {plain_stage.authority}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
    )
    async with own_process(plain_stage) as gateway:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", plain_stage.port, ssl=plain_stage.trust, limit=1 << 10
        )
        writer.write(upgrade.encode())
        assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
        before, sent = gateway.resident_kib(), 0
        with contextlib.suppress(TimeoutError, OSError):  # it stops reading, or hangs up
            while sent < PINGS_MAX_BYTES:
                writer.write(pings)
                sent += len(pings)
                async with asyncio.timeout(2):
                    await writer.drain()
        grown = gateway.resident_kib() - before
        writer.transport.abort()
    assert sent < PINGS_MAX_BYTES
    assert grown < 8 << 10
