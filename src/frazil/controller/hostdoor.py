"""Where servers come in: this machine's own by a UNIX socket, others by TLS with a certificate of ours."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.http11 import Request, Response

from frazil.controller.hostlink import PATH, HostLinks

MESSAGE_MAX_BYTES = 32 << 20


@asynccontextmanager
async def local(links: HostLinks, listening: socket.socket) -> AsyncIterator[None]:
    """Who may reach the socket is root here, and needs no certificate."""

    def only_links(connection: ServerConnection, request: Request) -> Response | None:
        return None if request.path == PATH else connection.respond(HTTPStatus.NOT_FOUND, "There is nothing here.\n")

    async with unix_serve(
        links.serve, sock=listening, process_request=only_links, max_size=MESSAGE_MAX_BYTES, compression=None
    ):
        yield
