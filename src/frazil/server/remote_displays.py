"""What this host's server gives to other machines, by TLS: displays to gateways, images to other hosts.

Who the other end is, its certificate says (`wire.display`, `wire.transfer`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import ValidationError

from frazil.model.desktop import Epoch
from frazil.model.errors import FrazilError, InvalidInput, Refused
from frazil.server.display import REQUEST_DEADLINE_S, OpenDisplay
from frazil.server.images.handing import Handing
from frazil.trust import contexts
from frazil.trust.carry import End, carry, notice_loss
from frazil.trust.peers import Peer
from frazil.wire import transfer
from frazil.wire.display import LINE_MAX_BYTES, DisplayAnswer, DisplayRequest
from frazil.wire.hostlink import FailureField

log = structlog.get_logger(__name__)

HANDSHAKE_DEADLINE_S = 10.0
FOLLOW_EVERY_S = 3600.0
SEE_OUT_S = 35.0
"""spice-server waits for so long at most for a display client's first message (ADR 0205), which takes 30 s."""
_LINK_HEADER_BYTES, _SIZE_AT = 16, 12
_RESULT_BYTES = 4
_SET_ACK_BYTES = 18 + 8
"""With the longer of the two headers."""


async def serve(
    listen: str,
    context: ssl.SSLContext,
    *,
    open_display: OpenDisplay,
    handing: Handing,
    is_revoked: Callable[[str], bool],
) -> None:
    """Answer until cancelled. Raises InvalidInput when nothing can listen there."""
    host, _, port = listen.rpartition(":")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other = End(reader, writer)
        notice_loss(other)
        try:
            peer, known_key = contexts.known_peer(writer.get_extra_info("ssl_object"))
            if is_revoked(known_key):
                raise Refused(f"The {peer} is trusted no more.")
            await _answer(other, peer, open_display, handing)
        except (Refused, InvalidInput, ValidationError, asyncio.LimitOverrunError) as exc:
            log.warning("request-refused", why=str(exc))
        except (OSError, EOFError, TimeoutError) as exc:
            log.info("connection-lost", why=str(exc) or type(exc).__name__)
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(HANDSHAKE_DEADLINE_S):
                    await writer.wait_closed()

    try:
        server = await asyncio.start_server(
            answer,
            host.strip("[]"),
            int(port),
            ssl=context,
            limit=max(LINE_MAX_BYTES, transfer.LINE_MAX_BYTES),
            ssl_handshake_timeout=HANDSHAKE_DEADLINE_S,
        )
    except OSError as exc:
        raise InvalidInput(
            f"Nothing can be handed out at {listen}: {exc.strerror or exc}.",
            remedy="Set displays_listen to an address of this machine and a port that is free.",
        ) from exc
    async with server:
        await server.serve_forever()


async def follow(context: ssl.SSLContext, pair: Path) -> None:
    """Show the certificate that the file holds, which is renewed there. Until cancelled."""
    while True:
        await asyncio.sleep(FOLLOW_EVERY_S)
        try:
            context.load_cert_chain(pair)
        except (OSError, ssl.SSLError) as exc:
            log.error("certificate-of-no-use", why=str(exc))


async def _answer(other: End, peer: Peer, open_display: OpenDisplay, handing: Handing) -> None:
    async with asyncio.timeout(REQUEST_DEADLINE_S):
        line = await other.reader.readuntil(b"\n")
    match peer.role:
        case "gateway":
            await _show(DisplayRequest.model_validate_json(line), other, open_display)
        case "host":
            await handing.answer(line, other)
        case _:
            raise Refused("There is nothing here for a controller.")


async def _show(request: DisplayRequest, gateway: End, open_display: OpenDisplay) -> None:
    try:
        fd = await open_display(request.desktop_id, Epoch(request.epoch.generation, request.epoch.counter))
    except FrazilError as exc:
        log.info("display-refused", desktop=request.desktop_id, why=str(exc))
        failure = FailureField(code=exc.code, text=exc.what, remedy=exc.remedy)
        await _say(gateway, DisplayAnswer(ok=False, failure=failure))
        return
    display = socket.socket(fileno=fd)
    display.setblocking(False)
    back_end = End(*await asyncio.open_connection(sock=display))
    begun = _Begun()
    try:
        await _say(gateway, DisplayAnswer(ok=True))
        await carry(gateway, back_end, seen=begun.came)
    finally:
        # Not awaited by who hears that the gateway is gone: a lost network must not hold up the next link.
        gateway.writer.close()
        await _see_out(back_end, begun)


async def _say(gateway: End, answer: DisplayAnswer) -> None:
    gateway.writer.write(answer.model_dump_json().encode() + b"\n")
    await gateway.writer.drain()


class _Begun:
    """Whether a back end has said more than a link's beginning: until then its socket is not closed (ADR 0205)."""

    def __init__(self) -> None:
        self._head = b""
        self._said = 0

    def came(self, data: bytes) -> None:
        self._said += len(data)
        if len(self._head) < _LINK_HEADER_BYTES:
            self._head += data[: _LINK_HEADER_BYTES - len(self._head)]

    def __bool__(self) -> bool:
        if len(self._head) < _LINK_HEADER_BYTES:
            return False
        reply = int.from_bytes(self._head[_SIZE_AT:], "little")
        return self._said > _LINK_HEADER_BYTES + reply + _RESULT_BYTES + _SET_ACK_BYTES


async def _see_out(back_end: End, begun: _Begun) -> None:
    """Read what the back end says, for nobody, until its socket may be closed; and close it."""
    try:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(SEE_OUT_S):
                while not begun and (data := await back_end.reader.read(LINE_MAX_BYTES)):
                    begun.came(data)
    finally:
        back_end.writer.close()
