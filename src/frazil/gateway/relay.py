"""What passes on a link that was let in, both ways, until either side or the controller ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Never

from frazil.gateway.close_codes import CloseCode
from frazil.gateway.display_start import DisplayStart
from frazil.gateway.filtering import LinkFilter, Output
from frazil.gateway.sessions import STALL_S, LiveSession
from frazil.gateway.streams import ClientStream, PlainStream
from frazil.model.clock import Clock
from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import Policy
from frazil.spice.fields import Buffer

RELAY_READ_BYTES = 1 << 16
MEASURE_EVERY_S = 30.0
"""A client's line, whether something passes or not: its main link may be silent for hours."""
GONE = "The desktop's display has ended."
FORBIDDEN = "What this link carries may not pass any more between you and this desktop."


class Ended(Exception):
    """A link is over; ends the task group that carries it."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Relay:
    """One link's bytes. A result of `cut` ends it; `start` is a display link's."""

    def __init__(
        self,
        client: ClientStream,
        back_end: PlainStream,
        passing: LinkFilter,
        session: LiveSession,
        *,
        clock: Clock,
        cut: asyncio.Future[Ended],
        start: DisplayStart | None,
    ) -> None:
        self._client = client
        self._back_end = back_end
        self._filter = passing
        self._session = session
        self._clock = clock
        self._cut = cut
        self._start = start
        self.to_client_bytes = 0
        self.to_back_end_bytes = 0

    def change(self, policy: Policy) -> None:
        """Another policy holds from now on. Raises Ended when nothing that the link carries may pass any more."""
        try:
            self._hand_over(self._filter.change(policy))
        except RemoteProtocolError as exc:
            raise Ended(CloseCode.ENDED, exc.what) from exc
        if self._filter.forbidden:
            raise Ended(CloseCode.ENDED, FORBIDDEN)

    async def run(self) -> Ended:
        """Until the link is over; why it is."""
        why = Ended(CloseCode.NORMAL, "")
        try:
            async with asyncio.TaskGroup() as tasks:
                # One call a piece: what has passed is not held while a link is idle.
                tasks.create_task(_forever(self._pass_to_client))
                tasks.create_task(_forever(self._pass_to_back_end))
                tasks.create_task(self._watch_client())
                tasks.create_task(self._watch_cut())
                if self._filter.main is not None:
                    tasks.create_task(_forever(self._measure))
        except* Ended as ended:
            why = next(exc for exc in _leaves(ended) if isinstance(exc, Ended))
        return why

    async def _pass_to_client(self) -> None:
        """Bytes that come together while the client is slow go out together, in pieces that suit its line."""
        data = await _read_back_end(self._back_end)
        if not data:
            raise Ended(CloseCode.BACKEND_GONE, GONE)
        if self._start is not None:
            self._start.came(len(data))
        try:
            output = self._filter.from_server(data)
        except RemoteProtocolError as exc:
            raise Ended(CloseCode.BACKEND_GONE, exc.what) from exc
        self._learn()
        began_s = self._clock.monotonic_s()
        await self._write(output)
        self.to_client_bytes += len(data)
        self._session.traffic.to_viewer_bytes += len(data)
        self._session.traffic.stalls += self._clock.monotonic_s() - began_s >= STALL_S

    async def _pass_to_back_end(self) -> None:
        if self._start is not None:
            await self._start.begun()
        try:
            data = await self._client.read_some()
        except OSError as exc:
            raise Ended(CloseCode.NORMAL, "The client is gone.") from exc
        if not data:
            raise Ended(CloseCode.NORMAL, "The client has left.")
        try:
            output = self._filter.from_client(data)
        except RemoteProtocolError as exc:
            raise Ended(CloseCode.BAD_LINK, exc.what) from exc
        self._learn()
        if self._filter.took_input():
            self._session.traffic.input_s = self._clock.monotonic_s()
        await self._write(output)
        self.to_back_end_bytes += len(data)
        self._session.traffic.to_desktop_bytes += len(data)

    def _learn(self) -> None:
        """Takes the connection id before the client can have it: its next links name it."""
        if self._filter.main is not None:
            self._session.connection_id = self._filter.main.session_id
            self._session.latency_s = self._filter.main.probe.latency_s
            self._session.rate_bits_per_s = self._filter.main.probe.rate_bits_per_s

    async def _write(self, output: Output) -> None:
        """Wait for whoever got something: one that asks and does not listen is not listened to either."""
        self._hand_over(output)
        try:
            if output.to_client:
                await self._client.drain()
        except OSError as exc:
            raise Ended(CloseCode.NORMAL, "The client is gone.") from exc
        try:
            if output.to_server:
                await self._back_end.drain()
        except OSError as exc:
            raise Ended(CloseCode.BACKEND_GONE, GONE) from exc

    def _hand_over(self, output: Output) -> None:
        """Both sides' bytes at once and without waiting, as `LinkFilter` wants it."""
        try:
            if output.to_client:
                for piece in _pieces(_joined(output.to_client), self._session.piece_bytes):
                    self._client.send(piece)
        except OSError as exc:
            raise Ended(CloseCode.NORMAL, "The client is gone.") from exc
        try:
            if output.to_server:
                self._back_end.send(_joined(output.to_server))
        except OSError as exc:
            raise Ended(CloseCode.BACKEND_GONE, GONE) from exc

    async def _measure(self) -> None:
        await asyncio.sleep(MEASURE_EVERY_S)
        self._hand_over(self._filter.measure())

    async def _watch_client(self) -> None:
        await self._client.keep_alive()
        raise Ended(CloseCode.NORMAL, "The client has not been heard of for too long.")

    async def _watch_cut(self) -> None:
        raise await self._cut


def _joined(parts: Sequence[Buffer]) -> Buffer:
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _pieces(data: Buffer, most_bytes: int) -> Iterator[Buffer]:
    if len(data) <= most_bytes:
        yield data
        return
    view = memoryview(data)
    for at in range(0, len(view), most_bytes):
        yield view[at : at + most_bytes]


async def _forever(step: Callable[[], Awaitable[None]]) -> Never:
    while True:
        await step()


async def _read_back_end(back_end: PlainStream) -> bytes:
    try:
        return await back_end.read_some()
    except OSError:
        return b""


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf for exc in group.exceptions for leaf in (_leaves(exc) if isinstance(exc, BaseExceptionGroup) else [exc])
    ]
