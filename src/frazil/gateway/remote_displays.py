"""Gets a desktop's display from a server on another machine: by TLS, as the installation's gateway (`wire.display`)."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import structlog
from pydantic import ValidationError

from frazil.model.errors import HostError, InvalidInput, Refused, Unavailable
from frazil.trust import contexts
from frazil.trust.carry import End, carry, notice_loss
from frazil.wire.display import LINE_MAX_BYTES, DisplayAnswer, DisplayRequest
from frazil.wire.sessions import Route

DEADLINE_S = 10.0

log = structlog.get_logger()


class RemoteDisplays:
    """One gateway's. Each display is carried by a task of its own. Used from the event loop only."""

    def __init__(self, trust_dir: Path) -> None:
        self._pair = trust_dir / "gateway.pem"
        self._authority = trust_dir / "authority.pem"
        self._carried: set[asyncio.Task[None]] = set()

    async def open(self, route: Route) -> socket.socket:
        """A connected, non-blocking SPICE socket of the desktop, on which nothing has been said yet.

        Raises Unavailable when the server is away or slow, HostError with the server's own words when it refuses.
        """
        request = DisplayRequest(desktop_id=route.desktop_id, epoch=route.epoch)
        try:
            async with asyncio.timeout(DEADLINE_S):
                server, line = await self._ask(route, request.model_dump_json().encode() + b"\n")
        except TimeoutError as exc:
            raise Unavailable(f"The desktop's host did not open its display within {DEADLINE_S:g} s.") from exc
        except (OSError, EOFError) as exc:
            raise Unavailable(f"The desktop's host can't be reached: {exc}.") from exc
        try:
            answer = DisplayAnswer.model_validate_json(line)
            if not answer.ok:
                why = answer.failure
                raise HostError(
                    why.text if why else "The host refused to open the display.", remedy=why.remedy if why else ""
                )
            return await self._carry(server)
        except ValidationError as exc:
            server.writer.close()
            raise HostError("The host's answer about the display can't be read.") from exc
        except BaseException:
            server.writer.close()
            raise

    async def _ask(self, route: Route, request: bytes) -> tuple[End, bytes]:
        try:
            context = contexts.dialing(self._pair, self._authority)
        except InvalidInput as exc:
            raise HostError(exc.what, remedy=exc.remedy) from exc
        host, _, port = route.host_address.rpartition(":")
        server = End(*await asyncio.open_connection(host.strip("[]"), int(port), ssl=context, limit=LINE_MAX_BYTES))
        notice_loss(server)
        try:
            peer, _ = contexts.known_peer(server.writer.get_extra_info("ssl_object"))
            if peer.role != "host" or peer.host_id != route.host_id:
                raise Refused(f"At {route.host_address} there is another machine than the desktop's host.")
            server.writer.write(request)
            await server.writer.drain()
            return server, await server.reader.readuntil(b"\n")
        except (Refused, asyncio.LimitOverrunError) as exc:
            server.writer.close()
            raise HostError(str(exc)) from exc
        except BaseException:
            server.writer.close()
            raise

    async def _carry(self, server: End) -> socket.socket:
        """The display as a socket of this process; what passes through it goes by TLS."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        try:
            inner = End(*await asyncio.open_connection(sock=theirs))
        except BaseException:
            ours.close()
            theirs.close()
            raise
        task = asyncio.create_task(_between(inner, server))
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        return ours


async def _between(inner: End, server: End) -> None:
    try:
        await carry(inner, server)
    finally:
        inner.writer.close()
        server.writer.close()
