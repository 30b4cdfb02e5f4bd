"""The ways to a server: TCP, UNIX, TLS by name and by subject, and through a proxy."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from frazil import viewer
from frazil.model.errors import InvalidInput, Refused, RemoteProtocolError, Unavailable
from frazil.spice.channels import ChannelType
from frazil.spice.main_channel import MainServer, SwitchHost
from frazil.trust.authority import issue, make_authority
from frazil.viewer import Address, Proxy
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NAME = "desk.example"


@asynccontextmanager
async def listening(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate for `NAME` and 127.0.0.1, and who vouches for it."""
    now = datetime.now(UTC)
    made = make_authority(now=now, host_name="desk")
    pair = issue(made, now=now, names=[NAME], addresses=[ipaddress.ip_address("127.0.0.1")])
    place = tmp_path_factory.mktemp("tls")
    (place / "cert.pem").write_bytes(pair.certificate_pem)
    (place / "key.pem").write_bytes(pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place / "cert.pem", place / "key.pem")
    return context, made.certificate_pem.decode()


async def look(where: viewer.Address | str) -> None:
    async with viewer.connect(where, timeout_s=10) as desktop:
        await desktop.wait_for_picture()


async def test_tcp_and_unix(place: Path) -> None:
    fake = SpiceDesktop()
    async with listening(fake.serve) as port:
        await look(f"spice://127.0.0.1:{port}")
    server = await asyncio.start_unix_server(fake.serve, place / "s")
    await look(f"spice+unix://{place / 's'}")
    server.close()


async def test_nobody_there(place: Path) -> None:
    async with listening(SpiceDesktop().serve) as port:
        pass
    for where in (f"spice://127.0.0.1:{port}", f"spice+unix://{place / 'none'}"):
        with pytest.raises(Unavailable, match="can't be reached"):
            await look(where)


async def test_tls_by_name_and_by_subject(authority: tuple[ssl.SSLContext, str]) -> None:
    context, ca = authority
    async with listening(SpiceDesktop().serve, tls=context) as port:
        await look(Address(host="127.0.0.1", tls_port=port, ca_pem=ca))
        await look(Address(host="localhost", tls_port=port, ca_pem=ca, host_subject=f"CN={NAME}"))
        with pytest.raises(Refused, match=r"not to be trusted.*mismatch"):
            await look(Address(host="localhost", tls_port=port, ca_pem=ca))
        with pytest.raises(Refused, match="another one's: CN=desk"):
            await look(Address(host="localhost", tls_port=port, ca_pem=ca, host_subject="CN=other"))
        with pytest.raises(Refused, match="not to be trusted"):
            await look(Address(host="127.0.0.1", tls_port=port))
        with pytest.raises(InvalidInput, match="authority"):
            await look(Address(host="127.0.0.1", tls_port=port, ca_pem="none"))


async def test_who_is_led_elsewhere_looks_at_the_certificate_there(authority: tuple[ssl.SSLContext, str]) -> None:
    """By the subject that the server tells, under the authority that was trusted before; by the host's name without."""
    context, ca = authority
    for host, subject, error in (
        ("localhost", f"CN={NAME}", None),
        ("127.0.0.1", "", None),
        ("localhost", "CN=other", "another one's: CN=desk"),
        ("localhost", "", "not to be trusted.*mismatch"),
    ):
        here, there = SpiceDesktop(), SpiceDesktop(picture="quic")
        async with listening(here.serve, tls=context) as port, listening(there.serve, tls=context) as other:
            address = Address(host="127.0.0.1", tls_port=port, ca_pem=ca)
            async with viewer.connect(address, timeout_s=10, follow=lambda _: True) as desktop:
                await desktop.wait_for_picture()
                told = SwitchHost(
                    port=1, tls_port=other, host=host.encode() + b"\0", cert_subject=subject.encode() + b"\0"
                )
                here.clients[ChannelType.MAIN].say(MainServer.MIGRATE_SWITCH_HOST, told)
                if error is None:
                    await desktop.wait_until(lambda now: np.array_equal(now.rgb, captures.screen("quic")))
                else:
                    with pytest.raises(Refused, match=error):
                        await desktop.wait_for_drawing()


async def test_a_server_without_tls() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.0 400 no\r\n\r\n")
        writer.close()

    async with listening(silent) as port:
        with pytest.raises(Unavailable, match="speaks no TLS"):
            await look(f"spice+tls://127.0.0.1:{port}")
        with pytest.raises(RemoteProtocolError, match="REDQ"):
            await look(f"spice://127.0.0.1:{port}")


async def test_a_server_that_closes_at_once() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with listening(closing) as port:
        with pytest.raises(Unavailable, match="closed the main link at its beginning"):
            await look(f"spice://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n", None, ""),
        (b"HTTP/1.1 403 Not for you\r\nContent-Length: 0\r\n\r\n", Refused, "403 Not for you"),
        (b"SSH-2.0-what\r\n\r\n", Unavailable, "no HTTP proxy"),
        (b"", Unavailable, "no HTTP proxy"),
    ],
    ids=["tunnel", "refused", "other", "closed"],
)
async def test_through_a_proxy(
    authority: tuple[ssl.SSLContext, str], answer: bytes, error: type[Exception] | None, words: str
) -> None:
    context, ca = authority
    fake, asked = SpiceDesktop(), set()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.add(head.split(b"\r\n")[0])
        writer.write(answer)
        if error is not None:
            writer.close()
            return
        await writer.start_tls(context)
        await fake.serve(reader, writer)

    async with listening(proxy) as port:
        where = Address(
            host="session-1",
            tls_port=8443,
            ca_pem=ca,
            host_subject=f"CN={NAME}",
            proxy=Proxy(host="127.0.0.1", port=port),
        )
        if error is None:
            await look(where)
        else:
            with pytest.raises(error, match=words):
                await look(where)
    assert asked == {b"CONNECT session-1:8443 HTTP/1.1"}
