"""The server's end of the connection to a controller (`wire.hostlink`). Where there are several, each has one.

It dials, says hello, sends everything it sees, takes in what is wanted, and dials again after any loss: without a
controller, desktops go on as they were last wanted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from frazil import failpoint
from frazil.server import cancellation
from frazil.wire import hostlink
from frazil.wire.base import Message
from frazil.wire.hostlink import Answer, Ask, Desired, Heartbeat, Hello, HostLoad, Observed, Rejected, Welcome

log = structlog.get_logger(__name__)

DIAL_DEADLINE_S = 10.0
RETRY_FIRST_S = 0.2
RETRY_MAX_S = 5.0
QUEUE_MAX = 10_000
MESSAGE_MAX_BYTES = 64 << 20


PATH = "/hosts/v1"

Dial = Callable[[], Awaitable[ClientConnection]]
"""Connects to a controller. Raises OSError, or what websockets raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the link asks of the rest of the server, and tells it."""

    hello: Callable[[], Hello]
    welcomed: Callable[[Welcome], None]
    observe: Callable[[], Awaitable[Observed]]
    want: Callable[[Desired], None]
    answer: Callable[[Ask], Awaitable[Answer]]
    load: Callable[[], HostLoad]


def on_this_machine(socket: Path) -> Dial:
    """Connects to the controller that listens there."""

    async def dial() -> ClientConnection:
        return await unix_connect(
            str(socket), uri=f"ws://controller{PATH}", max_size=MESSAGE_MAX_BYTES, compression=None
        )

    return dial


class Link:
    """Keeps one connection to the controller. Used in the event loop's thread."""

    def __init__(self, dial: Dial, host: Host) -> None:
        self._dial = dial
        self._host = host
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue(maxsize=QUEUE_MAX)
        self._up = False

    def send(self, message: Message) -> None:
        """Send soon. What is said while there is no connection is dropped: the next one begins with everything."""
        if self._up and not self._outgoing.full():
            self._outgoing.put_nowait(message)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                async with asyncio.timeout(DIAL_DEADLINE_S):
                    connection = await self._dial()
            except (OSError, InvalidHandshake, InvalidMessage, ConnectionClosed, EOFError) as exc:
                log.info("controller-away", why=str(exc) or type(exc).__name__, again_in_s=round(wait_s, 1))
                # Jitter: a thousand servers must not come back in the same instant.
                await asyncio.sleep(wait_s * random.uniform(0.7, 1.3))  # noqa: S311
                wait_s = min(RETRY_MAX_S, wait_s * 2)
                continue
            try:
                async with connection:
                    if await self._talk(connection):
                        wait_s = RETRY_FIRST_S
            except* (ConnectionClosed, ConnectionError, TimeoutError) as group:
                log.info("controller-connection-lost", why=str(group.exceptions[0]) or "it did not answer in time")
            except* ValidationError as group:
                log.warning("controller-said-nonsense", why=str(group.exceptions[0]))
            finally:
                self._up = False
            cancellation.due()
            await asyncio.sleep(wait_s)

    async def _talk(self, connection: ClientConnection) -> bool:
        """One connection's life. False when the controller would not have us."""
        await connection.send(self._host.hello().model_dump_json())
        async with asyncio.timeout(DIAL_DEADLINE_S):
            first = hostlink.to_server.validate_json(await connection.recv())
        if isinstance(first, Rejected):
            log.error("controller-rejected-us", why=first.failure.text, remedy=first.failure.remedy)
            await asyncio.sleep(RETRY_MAX_S)
            return False
        if not isinstance(first, Welcome):
            log.error("controller-spoke-out-of-turn", said=type(first).__name__)
            return False
        while not self._outgoing.empty():
            self._outgoing.get_nowait()
        self._up = True
        log.info("controller-connected", protocol=first.protocol)
        self._host.welcomed(first)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write(connection))
            tasks.create_task(self._beat(first))
            await self._read(connection, tasks)
            raise ConnectionResetError("the controller closed the connection")

    async def _write(self, connection: ClientConnection) -> None:
        while True:
            message = await self._outgoing.get()
            try:
                text = message.model_dump_json()
            except PydanticSerializationError as exc:  # one message is lost, not the server
                log.error("message-not-sent", kind=type(message).__name__, why=str(exc))
                continue
            await connection.send(text)
            failpoint.reach("server.reported")

    async def _beat(self, welcome: Welcome) -> None:
        """Heartbeats, and all that is seen now and then in case a word was lost."""
        since_s = 0.0
        while True:
            await asyncio.sleep(welcome.heartbeat_s)
            since_s += welcome.heartbeat_s
            if since_s >= welcome.resync_s:
                since_s = 0.0
                await self._tell_all()
            else:
                self.send(Heartbeat(load=self._host.load()))

    async def _read(self, connection: ClientConnection, tasks: asyncio.TaskGroup) -> None:
        first = True
        async for text in connection:
            try:
                message = hostlink.to_server.validate_json(text)
            except ValidationError as exc:
                log.warning("controller-said-nonsense", why=str(exc.errors()[:1]))
                continue
            match message:
                case Desired():
                    failpoint.reach("server.desired")
                    self._host.want(message)
                    if first:
                        first = False
                        tasks.create_task(self._tell_all())
                case Ask():
                    tasks.create_task(self._answer(message))
                case _:
                    log.warning("controller-spoke-out-of-turn", said=type(message).__name__)

    async def _tell_all(self) -> None:
        self.send(await self._host.observe())

    async def _answer(self, ask: Ask) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ask.deadline_s):
                self.send(await self._host.answer(ask))
