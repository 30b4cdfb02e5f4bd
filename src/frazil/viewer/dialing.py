"""Connections to a SPICE server, one a channel: TCP, TLS, through an HTTP proxy, UNIX, or sockets that are given."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import h11
from cryptography import x509

from frazil.model.errors import InvalidInput, Refused, Unavailable
from frazil.viewer.address import Address, Proxy, subject_parts

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial: TypeAlias = Callable[[], Awaitable[Streams]]
READ_AHEAD_BYTES = 1 << 20
ANSWER_MAX_BYTES = 1 << 16
"""A proxy's answer to CONNECT."""


def dial_of(where: Address | Callable[[], socket.socket]) -> Dial:
    """How to make one more connection to that server, or with sockets that a function gives."""
    if isinstance(where, Address):
        return lambda: _connect(where)

    async def take() -> Streams:
        given = where()
        given.setblocking(False)
        return await asyncio.open_connection(sock=given, limit=READ_AHEAD_BYTES)

    return take


async def _connect(address: Address) -> Streams:
    """Raises Unavailable, Refused for a certificate or proxy that says no, InvalidInput."""
    try:
        if address.path is not None:
            return await asyncio.open_unix_connection(address.path, limit=READ_AHEAD_BYTES)
        port = address.tls_port or address.port
        assert port is not None
        if address.proxy is None:
            reader, writer = await asyncio.open_connection(address.host, port, limit=READ_AHEAD_BYTES)
        else:
            reader, writer = await _tunnel(address.proxy, f"{address.host}:{port}")
    except OSError as exc:
        raise Unavailable(f"{address} can't be reached: {_reason(exc)}.") from exc
    try:
        if address.tls_port is not None:
            await _secure(writer, address)
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


async def _secure(writer: asyncio.StreamWriter, address: Address) -> None:
    context = ssl.create_default_context()
    if address.ca_pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=address.ca_pem)
        except ssl.SSLError as exc:
            raise InvalidInput("The authority's certificate is none.", field="where") from exc
    context.check_hostname = not address.host_subject
    try:
        await writer.start_tls(context, server_hostname=address.host)
    except ssl.SSLCertVerificationError as exc:
        raise Refused(f"The certificate of {address} is not to be trusted: {exc.verify_message}.") from exc
    except OSError as exc:
        raise Unavailable(f"{address} speaks no TLS: {_reason(exc)}.") from exc
    if address.host_subject:
        certificate = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))
        if not _is_of(certificate, address.host_subject):
            raise Refused(f"The certificate of {address} is another one's: {certificate.subject.rfc4514_string()}.")


def _is_of(certificate: x509.Certificate, subject: str) -> bool:
    """Whether the certificate's subject has these parts, in this order and no others; keys may be dotted numbers."""
    wanted = subject_parts(subject)
    parts = [part for group in certificate.subject.rdns for part in group]
    return len(parts) == len(wanted) and all(
        key in (part.rfc4514_attribute_name, part.oid.dotted_string) and value == part.value
        for part, (key, value) in zip(parts, wanted, strict=True)
    )


async def _tunnel(proxy: Proxy, target: str) -> Streams:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port, limit=READ_AHEAD_BYTES)
    try:
        request = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_MAX_BYTES)
        writer.write(request.send(h11.Request(method="CONNECT", target=target, headers=[("Host", target)])) or b"")
        while (answer := request.next_event()) is h11.NEED_DATA:
            # no more than the head: what follows it is the server's
            request.receive_data(await reader.readuntil(b"\r\n"))
        if not isinstance(answer, h11.Response):
            raise Unavailable("The proxy gave no answer.")
        if answer.status_code // 100 != 2:
            reason = answer.reason.decode(errors="replace")
            raise Refused(f"The proxy makes no tunnel to {target}: {answer.status_code} {reason}.")
    except (h11.RemoteProtocolError, EOFError, asyncio.LimitOverrunError) as exc:
        writer.transport.abort()
        raise Unavailable(f"{proxy.host}:{proxy.port} is no HTTP proxy.") from exc
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


def _reason(error: OSError) -> str:
    """asyncio puts the whole address in the place of the reason."""
    if isinstance(error, (ssl.SSLError, socket.gaierror)) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)
