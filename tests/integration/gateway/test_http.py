"""Pages and API through the gateway, and everything that is neither TLS nor HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from frazil.gateway.tls import ensure_certificates
from frazil.runtime import SystemClock
from frazil.spice import link
from frazil.spice.link_errors import LinkError
from tests.integration.gateway.stage import Connections, Stage, staged


@pytest.fixture
async def plain_stage() -> AsyncIterator[Stage]:
    """No back end: nothing here reaches a desktop."""
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with staged(Path(directory), Path(directory) / "none") as running:
            yield running


@pytest.fixture
async def http(plain_stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    url = f"https://{plain_stage.authority}"
    async with httpx.AsyncClient(base_url=url, verify=plain_stage.trust, trust_env=False, timeout=20) as client:
        yield client


async def test_forwarding_headers_are_replaced(plain_stage: Stage, http: httpx.AsyncClient) -> None:
    response = await http.get(
        "/headers",
        headers={
            "x-forwarded-for": "6.6.6.6",
            "x-forwarded-proto": "http",
            "x-forwarded-host": "evil.example",
            "forwarded": "for=6.6.6.6",
            "x-real-ip": "6.6.6.6",
            "connection": "keep-alive, x-hop",
            "x-hop": "secret",
            "proxy-authorization": "Basic x",
            "x-stays": "yes",
        },
    )
    seen = plain_stage.controller.seen_headers
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == seen["host"] == plain_stage.authority
    assert seen["x-stays"] == "yes"
    assert not {"forwarded", "x-real-ip", "x-hop", "proxy-authorization"} & set(seen)
    assert response.headers["x-kept"] == "yes"
    assert "x-private" not in response.headers


async def test_one_connection_carries_many_requests(plain_stage: Stage) -> None:
    reader, writer = await Connections.to(plain_stage).tls()
    for _ in range(3):
        writer.write(f"GET /headers HTTP/1.1\r\nhost: {plain_stage.authority}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert head.startswith(b"HTTP/1.1 200")
        size = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if b"content-length" in line)
        await reader.readexactly(size)
    writer.close()


async def test_a_connection_that_asks_nothing_more_is_closed(
    plain_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frazil.gateway.connection.IDLE_DEADLINE_S", 0.3)
    reader, writer = await Connections.to(plain_stage).tls()
    writer.write(f"GET /headers HTTP/1.1\r\nhost: {plain_stage.authority}\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"HTTP/1.1 200")
    await asyncio.wait_for(reader.read(), 20)  # the answer's body, and then the end
    writer.close()


async def test_events_flow_as_they_are_said(plain_stage: Stage, http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/events") as response:
        lines = response.aiter_lines()
        for number in range(3):
            assert await asyncio.wait_for(anext(lines), 20) == f"data: {number}"
            assert await asyncio.wait_for(anext(lines), 20) == ""
            plain_stage.controller.next_event.put_nowait(None)


async def test_a_client_that_resets_its_connection_is_no_bug(plain_stage: Stage) -> None:
    with capture_logs() as logs:
        for _ in range(5):
            reader, writer = await Connections.to(plain_stage).tls()
            writer.write(f"GET /events HTTP/1.1\r\nhost: {plain_stage.authority}\r\n\r\n".encode())
            await asyncio.wait_for(reader.readuntil(b"data: 0\n"), 20)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed by a reset
            writer.transport.abort()
        async with asyncio.timeout(30):
            while any("_guarded" in str(task.get_coro()) for task in asyncio.all_tasks()):
                await asyncio.sleep(0.01)
    assert [entry for entry in logs if entry["event"] == "gateway.bug"] == []


async def test_uploads_are_streamed(plain_stage: Stage, http: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    response = await http.post("/upload", content=body())
    assert response.json() == {"size": 5_000_000}
    response = await http.post("/upload", content=b"y" * 3_000_000)
    assert response.json() == {"size": 3_000_000}


async def test_a_refused_upload_is_answered_not_reset(http: httpx.AsyncClient) -> None:
    response = await http.post("/too-large", content=b"x" * 10_000_000)
    assert response.status_code == 413
    assert response.json() == {"title": "too large"}


async def test_expecting_clients_are_told_to_go_on(plain_stage: Stage) -> None:
    reader, writer = await Connections.to(plain_stage).tls()
    writer.write(
        f"POST /upload HTTP/1.1\r\nhost: {plain_stage.authority}\r\ncontent-length: 3\r\n"
        "expect: 100-continue\r\n\r\n".encode()
    )
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"HTTP/1.1 100")
    writer.write(b"abc")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_words_when_the_controller_is_away(plain_stage: Stage, http: httpx.AsyncClient) -> None:
    shutil.rmtree(plain_stage.settings.public_socket.parent)
    page = await http.get("/", headers={"accept": "text/html", "accept-language": "hu-HU,hu;q=0.9"})
    assert page.status_code == 502
    assert 'lang="hu"' in page.text
    assert "rendszergazd" in page.text
    problem = await http.get("/api/v1/me", headers={"accept": "*/*"})
    assert problem.status_code == 502
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["type"] == "urn:frazil:problem:unavailable"
    assert problem.json()["reference"]
    plain_stage.settings.public_socket.parent.mkdir()


async def test_an_answer_that_breaks_off_is_not_made_whole(plain_stage: Stage, http: httpx.AsyncClient) -> None:
    path = plain_stage.settings.public_socket
    path.unlink()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/half" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()

    async with await asyncio.start_unix_server(half, path):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/half")
        assert (await http.get("/none")).status_code == 502


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /\r\n\r\n", b"400"),
        (b"GET http://elsewhere/ HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"\x00\x01\x02\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /spice/none HTTP/1.1\r\nhost: x\r\n\r\n", b"404"),
        (b"GET /spice/01900000-0000-7000-8000-000000000000 HTTP/1.1\r\nhost: x\r\n\r\n", b"426"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", b"400"),
    ],
)
async def test_bad_requests_are_refused_in_words(plain_stage: Stage, request_head: bytes, status: bytes) -> None:
    reader, writer = await Connections.to(plain_stage).tls()
    writer.write(request_head)
    answer = await asyncio.wait_for(reader.read(4096), 20)
    assert answer.startswith(b"HTTP/1.1 " + status)
    writer.close()


async def test_spice_without_tls_is_told_to_use_it(plain_stage: Stage) -> None:
    reader, writer = await Connections.to(plain_stage).plain()
    writer.write(b"REDQ")
    answer = await asyncio.wait_for(reader.read(), 20)
    size = link.decode_header(answer[:16])
    assert link.decode_reply(answer[16 : 16 + size]).error == LinkError.NEED_SECURED
    writer.close()


async def test_http_without_tls_is_sent_to_https(plain_stage: Stage) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://{plain_stage.authority}/sessions/1?a=b")
    assert response.status_code == 301
    assert response.headers["location"] == f"https://{plain_stage.authority}/sessions/1?a=b"


@pytest.mark.parametrize(
    "first",
    [b"SSH-2.0-x\r\n", b"\x00\x00\x00\x00", b"\xff", b"PUT / HTTP/1.1\r\n\r\n", b"\x16garbage that is no TLS at all"],
)
async def test_anything_else_is_closed_at_once(plain_stage: Stage, first: bytes) -> None:
    reader, writer = await Connections.to(plain_stage).plain()
    writer.write(first)
    try:
        rest = await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        rest = b""
    assert len(rest) < 16  # A TLS alert at most.
    writer.close()


async def test_a_bad_host_gets_no_redirect(plain_stage: Stage) -> None:
    reader, writer = await Connections.to(plain_stage).plain()
    writer.write(b"GET / HTTP/1.1\r\nhost: evil.example/x\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 400")
    writer.close()


@pytest.mark.parametrize("kind", ["silent", "tls silent", "tls dripping", "plain dripping"])
async def test_slow_peers_are_dropped(plain_stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    for name in ("FIRST_BYTES_DEADLINE_S", "PLAIN_DEADLINE_S", "TLS_DEADLINE_S"):
        monkeypatch.setattr(f"frazil.gateway.entrance.{name}", 0.5)
    monkeypatch.setattr("frazil.gateway.connection.HEAD_DEADLINE_S", 0.5)
    connections = Connections.to(plain_stage)
    reader, writer = await (connections.tls() if kind.startswith("tls") else connections.plain())
    began = time.monotonic()
    if "dripping" in kind:
        writer.write(b"GET ")
    ended = asyncio.create_task(reader.read())
    while not ended.done() and time.monotonic() - began < 5:
        if "dripping" in kind:
            writer.write(b"x")
        await asyncio.wait([ended], timeout=0.1)
    assert ended.done()
    assert await asyncio.gather(ended, return_exceptions=True)
    assert time.monotonic() - began < 4
    writer.close()


async def test_a_renewed_certificate_is_served_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.gateway.tls.LOOK_EVERY_S", 0.02)
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with staged(Path(directory), Path(directory) / "none") as stage:

            async def served() -> object:
                _, writer = await Connections.to(stage).tls()
                certificate = writer.get_extra_info("ssl_object").getpeercert()
                writer.close()
                return certificate["serialNumber"]

            reader, writer = await Connections.to(stage).tls()
            before = await served()
            settings = replace(stage.settings, public_url="https://other.example")
            ensure_certificates(settings, clock=SystemClock(), owner_gid=None)
            async with asyncio.timeout(30):
                while await served() == before:
                    await asyncio.sleep(0.02)
            writer.write(f"GET /headers HTTP/1.1\r\nhost: {stage.authority}\r\n\r\n".encode())
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n"), 20)).startswith(b"HTTP/1.1 200"), "it goes on"
            writer.close()


async def test_a_slow_body_is_dropped(plain_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.gateway.forward.PROGRESS_DEADLINE_S", 0.3)
    reader, writer = await Connections.to(plain_stage).tls()
    writer.write(f"POST /upload HTTP/1.1\r\nhost: {plain_stage.authority}\r\ncontent-length: 9\r\n\r\nabc".encode())
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


@pytest.mark.parametrize(("piece", "is_answered"), [(1, False), (200, True)], ids=["a drip", "a slow line"])
async def test_a_body_that_drips_is_dropped_and_one_on_a_slow_line_arrives(
    plain_stage: Stage, monkeypatch: pytest.MonkeyPatch, piece: int, is_answered: bool
) -> None:
    """Both take longer than anybody has for the first; only one brings something meanwhile."""
    monkeypatch.setattr("frazil.gateway.forward.PROGRESS_DEADLINE_S", 1.0)
    monkeypatch.setattr("frazil.gateway.forward.BODY_LEAST_BYTES_PER_S", 200)
    reader, writer = await Connections.to(plain_stage).tls()
    head = f"POST /upload HTTP/1.1\r\nhost: {plain_stage.authority}\r\ncontent-length: 8000\r\n\r\n"
    writer.write(head.encode())
    answered = asyncio.create_task(reader.read(1 << 10))
    began, sent = time.monotonic(), 0
    while sent < 8000 and not answered.done() and time.monotonic() - began < 10:
        writer.write(bytes(piece))
        sent += piece
        await asyncio.wait([answered], timeout=0.05)
    assert 1 < time.monotonic() - began < 10
    assert (await asyncio.wait_for(answered, 20)).startswith(b"HTTP/1.1 200") is is_answered
    writer.close()


async def test_a_controller_that_says_nothing_is_named(
    plain_stage: Stage, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frazil.gateway.forward.ANSWER_DEADLINE_S", 0.3)
    path = plain_stage.settings.public_socket
    path.unlink()
    held: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    async with await asyncio.start_unix_server(silent, path):
        response = await http.get("/api/v1/me")
        for writer in held:
            writer.close()
    assert response.status_code == 504
    assert "in time" in json.loads(response.content)["detail"]
