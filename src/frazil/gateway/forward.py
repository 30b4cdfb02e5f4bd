"""Forwards one HTTP request to the controller and streams its answer back.

Each request has a UNIX connection of its own: that costs microseconds and leaves no state between two people's
requests. Both directions are streamed with back-pressure, so that server-sent events flow and an upload never fills
memory. How large a body may be is the controller's to say.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import h11
import structlog

from frazil.gateway import words
from frazil.gateway.controllers import Controllers
from frazil.gateway.headers import first, to_client, to_controller
from frazil.gateway.streams import close_writer
from frazil.model.clock import Ids

CONNECT_DEADLINE_S = 3.0
ANSWER_DEADLINE_S = 60.0
"""From the request's last byte to the answer's head."""
PROGRESS_DEADLINE_S = 60.0
"""A client must send or take some bytes of a body within so long."""
BODY_LEAST_BYTES_PER_S = 4 << 10
"""What a body brings after its first minute, on the whole: one byte now and then would hold a connection for ever."""
LEFTOVER_MAX_BYTES = 32 << 20
LEFTOVER_DEADLINE_S = 10.0
"""How much of a refused body is read and thrown away, so that its sender reads the answer instead of a reset."""
CHUNK_BYTES = 1 << 16

_log = structlog.get_logger()


class ClientGone(Exception):
    """The client left or is too slow; nothing more can be said to it."""


class Forwarder:
    """Serves the requests of one client connection, one after another."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        controllers: Controllers,
        remote_address: str,
        ids: Ids,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._controllers = controllers
        self._remote_address = remote_address
        self._ids = ids
        self._came_bytes = 0
        self._waited_s = 0.0
        """Of the body that is coming; what the controller keeps it waiting does not count."""

    async def forward(self, client: h11.Connection, request: h11.Request) -> bool:
        """One request. True when the connection can carry another. Raises ClientGone."""
        self._came_bytes, self._waited_s = 0, 0.0
        for socket in self._controllers:
            try:
                async with asyncio.timeout(CONNECT_DEADLINE_S):
                    reader, writer = await asyncio.open_unix_connection(socket, limit=CHUNK_BYTES)
            except (OSError, TimeoutError) as exc:
                _log.warning("gateway.controller-away", why=type(exc).__name__)
                self._controllers.failed(socket)
                continue
            try:
                if not await self._exchange(client, request, reader, writer):
                    self._controllers.failed(socket)
            finally:
                await close_writer(writer)
            break
        else:
            await self._say(client, request, words.away, status=502, code="unavailable")
        return await self._finish(client)

    async def _exchange(
        self,
        client: h11.Connection,
        request: h11.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """False when the controller gave no answer."""
        upstream = h11.Connection(h11.CLIENT)
        headers = list(request.headers)
        passed_on = h11.Request(
            method=request.method,
            target=request.target,
            headers=to_controller(
                headers,
                remote_address=self._remote_address,
                chunked=bool(first(headers, b"transfer-encoding")),
            ),
        )
        sent = asyncio.Event()
        failed: list[Exception] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send(client, upstream, passed_on, writer, sent))
                await self._answer(client, upstream, reader, sent)
                sending.cancel()
        except* (ClientGone, _Unanswered) as group:
            failed = list(group.exceptions)  # Raised in here, an error would be wrapped in a group again.
        if not failed:
            return True
        unanswered = next((exc for exc in failed if isinstance(exc, _Unanswered)), None)
        if unanswered is None:
            raise ClientGone from failed[0]
        _log.warning("gateway.controller-unanswered", why=str(unanswered))
        if client.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise ClientGone from unanswered  # Half an answer went out; only breaking off says so.
        status, words_of = (504, words.slow) if str(unanswered) == SLOW else (502, words.away)
        await self._say(client, request, words_of, status=status, code="unavailable")
        return False

    async def _send(
        self,
        client: h11.Connection,
        upstream: h11.Connection,
        request: h11.Request,
        writer: asyncio.StreamWriter,
        sent: asyncio.Event,
    ) -> None:
        """The request and its body, then watch for the client's leaving. Cancelled when the answer is through."""
        with contextlib.suppress(OSError):  # The controller has heard enough; its answer says why.
            writer.write(_bytes(upstream.send(request)))
            while True:
                event = await self._next(client)
                if isinstance(event, h11.Data):
                    writer.write(_bytes(upstream.send(h11.Data(data=event.data))))
                    await writer.drain()
                elif isinstance(event, h11.EndOfMessage):
                    writer.write(_bytes(upstream.send(h11.EndOfMessage())))
                    await writer.drain()
                    break
                else:
                    raise ClientGone
        sent.set()
        if client.their_state is h11.DONE:
            try:
                more = await self._reader.read(CHUNK_BYTES)
            except OSError as exc:
                raise ClientGone from exc
            if not more:
                raise ClientGone
            client.receive_data(more)

    async def _answer(
        self, client: h11.Connection, upstream: h11.Connection, reader: asyncio.StreamReader, sent: asyncio.Event
    ) -> None:
        """The answer, as it comes. Raises _Unanswered when it breaks off or never begins."""
        while True:
            try:
                event = upstream.next_event()
                if event is h11.NEED_DATA:
                    upstream.receive_data(await self._read_answer(client, reader, sent))
                    continue
            except (h11.RemoteProtocolError, OSError) as exc:
                raise _Unanswered(f"{type(exc).__name__}: {exc}") from exc
            if isinstance(event, h11.Response):
                close = client.their_state is h11.SEND_BODY
                headers = to_client(list(event.headers), close=close)
                await self._write(
                    client.send(h11.Response(status_code=event.status_code, reason=event.reason, headers=headers))
                )
            elif isinstance(event, h11.Data):
                await self._write(client.send(h11.Data(data=event.data)))
            elif isinstance(event, h11.EndOfMessage):
                await self._write(client.send(h11.EndOfMessage()))
                return

    async def _read_answer(self, client: h11.Connection, reader: asyncio.StreamReader, sent: asyncio.Event) -> bytes:
        """Once the answer has begun it may pause for as long as it likes: that is how events are streamed."""
        if client.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return await reader.read(CHUNK_BYTES)
        while True:
            was_sent = sent.is_set()
            try:
                async with asyncio.timeout(ANSWER_DEADLINE_S):
                    return await reader.read(CHUNK_BYTES)
            except TimeoutError as exc:
                if was_sent:
                    raise _Unanswered(SLOW) from exc

    async def _next(self, client: h11.Connection) -> object:
        """The client's next event. Raises ClientGone when it leaves, stalls, drips or breaks HTTP."""
        while True:
            try:
                event = client.next_event()
            except h11.RemoteProtocolError as exc:
                raise ClientGone from exc
            if event is not h11.NEED_DATA:
                return event
            if client.they_are_waiting_for_100_continue:
                await self._write(client.send(h11.InformationalResponse(status_code=100, headers=[])))
            try:
                data = await self._more()
            except (OSError, TimeoutError) as exc:
                raise ClientGone from exc
            if not data:
                raise ClientGone
            client.receive_data(data)

    async def _more(self) -> bytes:
        """Some bytes of a body. Raises TimeoutError when they come too late, or all of them too slowly."""
        left_s = PROGRESS_DEADLINE_S + self._came_bytes / BODY_LEAST_BYTES_PER_S - self._waited_s
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.timeout(min(left_s, PROGRESS_DEADLINE_S)):
            data = await self._reader.read(CHUNK_BYTES)
        self._came_bytes += len(data)
        self._waited_s += loop.time() - began_s
        return data

    async def _write(self, data: bytes | None) -> None:
        try:
            self._writer.write(data or b"")
            async with asyncio.timeout(PROGRESS_DEADLINE_S):
                await self._writer.drain()
        except (OSError, TimeoutError) as exc:
            raise ClientGone from exc

    async def _say(
        self, client: h11.Connection, request: h11.Request, of: Callable[[str], words.Words], *, status: int, code: str
    ) -> None:
        """Our own answer: a page for a person, a problem document for a program."""
        headers = list(request.headers)
        said = of(words.language_of(first(headers, b"accept-language").decode("ascii", errors="replace")))
        if request.target.startswith(b"/api/") or b"text/html" not in first(headers, b"accept"):
            body = words.problem(said, status=status, code=code, reference=self._ids.new_id())
            kind = b"application/problem+json"
        else:
            body, kind = words.page(said), b"text/html; charset=utf-8"
        answer_headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"retry-after", b"5"),
            (b"connection", b"close"),
        ]
        await self._write(client.send(h11.Response(status_code=status, headers=answer_headers)))
        if request.method != b"HEAD":
            await self._write(client.send(h11.Data(data=body)))
        await self._write(client.send(h11.EndOfMessage()))

    async def _finish(self, client: h11.Connection) -> bool:
        """After the answer: read what the client still sends of its body, and see whether it can go on."""
        read_bytes = 0
        with contextlib.suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(LEFTOVER_DEADLINE_S):
                while client.their_state is h11.SEND_BODY and read_bytes < LEFTOVER_MAX_BYTES:
                    event = await self._next(client)
                    read_bytes += len(event.data) if isinstance(event, h11.Data) else 0
        done = client.our_state is h11.DONE and client.their_state is h11.DONE
        return done and not client.trailing_data[0]


class _Unanswered(Exception):
    """The controller's answer broke off or did not begin."""


SLOW = "no answer within the deadline"


def _bytes(data: bytes | None) -> bytes:
    return data or b""
