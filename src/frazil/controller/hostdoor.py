"""Where servers come in: this machine's own by a UNIX socket, others by TLS with a certificate of ours."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from frazil.controller.hostlink import PATH, HostLinks, reject
from frazil.controller.services.joining import Joining
from frazil.model.errors import FrazilError, InvalidInput, Refused
from frazil.trust import contexts
from frazil.wire.hostlink import FailureField
from frazil.wire.joining import (
    JOIN_PATH,
    RENEW_PATH,
    Certified,
    Introduction,
    JoinRequest,
    NotCertified,
    RenewRequest,
    ToJoiner,
    from_joiner,
    to_joiner,
)

MESSAGE_MAX_BYTES = 32 << 20
CLOSE_S = 0.5
"""So long a server may take to say farewell: a controller that ends waits for it, and the next one to lead for that."""
REQUEST_MAX_BYTES = 16 << 10
"""What a stranger may say at once."""
REQUEST_DEADLINE_S = 10.0
LOOK_EVERY_S = 1.0
"""For hosts that were revoked."""
RELOAD_EVERY_S = 3600.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def local(links: HostLinks, listening: socket.socket) -> AsyncIterator[None]:
    """Who may reach the socket is root here, and needs no certificate."""

    def only_links(connection: ServerConnection, request: Request) -> Response | None:
        return None if request.path == PATH else _nothing_here(connection)

    async with unix_serve(
        links.serve,
        sock=listening,
        process_request=only_links,
        max_size=MESSAGE_MAX_BYTES,
        compression=None,
        close_timeout=CLOSE_S,
    ):
        yield


class Door:
    """For other machines' servers. Those with a certificate are linked; the others may ask for one."""

    def __init__(self, links: HostLinks, joining: Joining, *, trust_dir: Path) -> None:
        self._links = links
        self._joining = joining
        self._pair = trust_dir / "controller.pem"
        self._context = contexts.listening(self._pair, trust_dir / "authority.pem", strangers=True)

    async def run(self, listen: str, *, number: int) -> None:
        """Serve until cancelled. number: each controller has a port of its own, counted up from the first one's."""
        host, _, port = listen.rpartition(":")
        try:
            serving = await serve(
                self._serve,
                host.strip("[]") or None,
                int(port) + number - 1,
                ssl=self._context,
                process_request=self._look,
                max_size=MESSAGE_MAX_BYTES,
                compression=None,
                close_timeout=CLOSE_S,
            )
        except OSError as exc:
            raise InvalidInput(
                f"Hosts can't come in at {listen}: {exc.strerror or exc}.",
                remedy="Set hosts_listen to an address of this machine and a port that is free.",
            ) from exc
        async with serving, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._cut_revoked())

    async def _follow(self) -> None:
        """Show the certificate that the file holds, which root renews."""
        while True:
            await asyncio.sleep(RELOAD_EVERY_S)
            try:
                self._context.load_cert_chain(self._pair)
            except (OSError, ssl.SSLError) as exc:
                log.error("hosts.certificate-of-no-use", why=str(exc))

    async def _cut_revoked(self) -> None:
        """And those whose certificate is over: they dial again with the next one."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._links.has_others:
                continue
            with suppress(FrazilError):  # a database that is away is told of elsewhere
                self._links.keep_only(await self._joining.good_keys())

    def _look(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path not in (PATH, JOIN_PATH, RENEW_PATH):
            return _nothing_here(connection)
        if request.path != PATH:
            connection.protocol.max_message_size = REQUEST_MAX_BYTES
        if request.path == JOIN_PATH:
            return None
        try:
            _host(connection)
        except Refused as exc:
            return connection.respond(HTTPStatus.FORBIDDEN, f"{exc}\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.path == PATH:
            host_id, known_key = _host(connection)
            try:
                await self._joining.let_in(host_id, known_key)
            except FrazilError as exc:
                await reject(connection, FailureField(code=exc.code, text=exc.what, remedy=exc.remedy))
                return
            await self._links.serve(connection, host_id, known_key)
            return
        try:
            await _say(connection, await self._certify(connection, connection.request.path))
        except (FrazilError, ValidationError, TimeoutError) as exc:
            failure = exc if isinstance(exc, FrazilError) else InvalidInput("This is no request for a certificate.")
            log.warning("host.not-certified", code=failure.code, why=failure.what, address=_address(connection))
            said = FailureField(code=failure.code, text=failure.what, remedy=failure.remedy)
            with suppress(ConnectionClosed, TimeoutError):
                await _say(connection, NotCertified(failure=said))
        except ConnectionClosed:
            log.info("host.left-before-answer", address=_address(connection))

    async def _certify(self, connection: ServerConnection, path: str) -> Certified:
        if path == JOIN_PATH:
            authority = self._joining.authority().certificate.public_bytes(Encoding.PEM).decode()
            await _say(connection, Introduction(authority=authority))
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            text = await connection.recv()
        match from_joiner.validate_json(text):
            case JoinRequest() as asked if path == JOIN_PATH:
                return await self._joining.join(asked, remote_address=_address(connection))
            case RenewRequest() as asked if path == RENEW_PATH:
                return await self._joining.renew(*_host(connection), asked.certificate_request)
        raise InvalidInput("This request for a certificate belongs elsewhere.")


def _host(connection: ServerConnection) -> tuple[str, str]:
    """The host that the other end's certificate is of, and its key. Raises Refused when it is of none."""
    peer, known_key = contexts.known_peer(connection.transport.get_extra_info("ssl_object"))
    if peer.role != "host":
        raise Refused("Only a host's server may come in here.")
    return peer.host_id, known_key


def _address(connection: ServerConnection) -> str:
    return str(connection.remote_address[0])


async def _say(connection: ServerConnection, message: ToJoiner) -> None:
    async with asyncio.timeout(REQUEST_DEADLINE_S):
        await connection.send(to_joiner.dump_json(message).decode())


def _nothing_here(connection: ServerConnection) -> Response:
    return connection.respond(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
