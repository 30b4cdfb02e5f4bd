"""All links of a connection: how they are followed, and how they go over to another server.

See `frazil.spice.migration` for the three ways of that. Everything runs in the connection's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from frazil.client import DeadlinePassed
from frazil.model.errors import FrazilError, RemoteProtocolError, Unavailable
from frazil.spice.base_messages import BaseClient, BaseServer, Data, Empty, Migrate, MigrateFlag, WaitForChannels
from frazil.spice.capabilities import has
from frazil.spice.channels import ChannelType
from frazil.spice.framing import Message
from frazil.spice.main_channel import (
    DoSeamless,
    MainCap,
    MainClient,
    MainServer,
    MigrateBegin,
    MigrateBeginSeamless,
    SwitchHost,
)
from frazil.spice.migration import destination
from frazil.spice.records import decode
from frazil.viewer.channel import Channel
from frazil.viewer.line import Line
from frazil.viewer.order import Order
from frazil.viewer.route import Route
from frazil.viewer.waiting import Changes

LINKING_S = 10.0
"""For all links to another server. spice-server waits no longer for a client (`MIGRATE_TIMEOUT`)."""
_MAIN = (ChannelType.MAIN, 0)


@dataclass(slots=True)
class _Ahead:
    """Links to where the desktop will be, and those that were left for them.

    A server ends all links with the main one, so none is closed before the last has gone over.
    """

    route: Route
    channels: dict[tuple[int, int], Channel] = field(default_factory=dict)
    left: list[Channel] = field(default_factory=list)

    def close(self) -> None:
        for channel in (*self.channels.values(), *self.left):
            channel.close()


class Links:
    """`renew` is called when the desktop's state begins anew, before the first message of the new server is heard.

    `session_id` is what all links but the first one name.
    """

    def __init__(self, route: Route, changes: Changes, *, session_id: int, renew: Callable[[], None]) -> None:
        self.session_id = session_id
        self.order = Order(changes)
        self._route = route
        self._changes = changes
        self._renew = renew
        self._lines: dict[tuple[int, int], Line] = {}
        self._ahead: _Ahead | None = None

    @property
    def received_bytes(self) -> int:
        return sum(line.received_bytes for line in self._lines.values())

    @property
    def sent_bytes(self) -> int:
        return sum(line.sent_bytes for line in self._lines.values())

    def add(self, line: Line) -> None:
        """One more channel."""
        self._lines[line.kind, line.number] = line
        self.order.add(line)

    async def follow(self, line: Line, handle: Callable[[Message], Awaitable[None]]) -> None:
        """What a channel says, from one server after the other, until it ends, of which everyone who waits is told."""
        while True:
            channel = line.channel
            try:
                async for message in channel.messages():
                    await self._hear(line, message, handle)
                    if line.away or line.channel is not channel:
                        break
            except FrazilError as exc:
                if not line.away and line.channel is channel:
                    self._changes.end(exc)
                    return
            if line.away:
                try:
                    await line.back()
                except FrazilError:  # the connection has ended, which is told
                    return

    async def _hear(self, line: Line, message: Message, handle: Callable[[Message], Awaitable[None]]) -> None:
        match message.type:
            case BaseServer.DISCONNECTING:
                raise Unavailable("The server ends this connection.")
            case BaseServer.MIGRATE:
                await self._hand_over(line, decode(Migrate, message.body))
            case BaseServer.WAIT_FOR_CHANNELS:
                await self.order.reached(decode(WaitForChannels, message.body))
            case _:
                await handle(message)

    async def close(self) -> None:
        """All of them, when what waits to be sent has gone."""
        self.cancel()
        for line in self._lines.values():
            await line.channel.finish()

    # The desktop goes to another server

    async def prepare(self, told: MigrateBegin | MigrateBeginSeamless) -> MainClient:
        """Link everything where the desktop will be, and stay here; what to answer."""
        self.cancel()
        try:
            async with asyncio.timeout(LINKING_S):
                seamless = await self._link_ahead(told)
        except (FrazilError, TimeoutError):
            self.cancel()  # the server says later where the desktop is, which is refused or tried again then
            return MainClient.MIGRATE_CONNECT_ERROR
        except BaseException:
            self.cancel()
            raise
        return MainClient.MIGRATE_CONNECTED_SEAMLESS if seamless else MainClient.MIGRATE_CONNECTED

    async def _link_ahead(self, told: MigrateBegin | MigrateBeginSeamless) -> bool:
        ahead = self._ahead = _Ahead(self._route.to(destination(told)))
        main = ahead.channels[_MAIN] = await self._enter(ahead.route, self._lines[_MAIN], self.session_id)
        seamless = isinstance(told, MigrateBeginSeamless) and await _agrees(main, told.source_version)
        for key, line in self._lines.items():
            if key != _MAIN:
                ahead.channels[key] = await self._enter(ahead.route, line, self.session_id)
        return seamless

    async def go_over(self) -> None:
        """The desktop is where `prepare` has linked to. Raises RemoteProtocolError."""
        ahead = self._ahead
        if ahead is None or ahead.channels.keys() != self._lines.keys():
            raise RemoteProtocolError("The desktop has moved to where we are not linked.")
        self._route, self._ahead = ahead.route, None
        self._renew()
        for key, line in self._lines.items():
            line.go_over(ahead.channels[key], anew=True).close()
        await self._lines[_MAIN].send(MainClient.MIGRATE_END, Empty())
        for line in self._lines.values():
            await line.greet(line.channel)

    def cancel(self) -> None:
        """The desktop stays, or the connection ends."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()

    async def switch(self, told: SwitchHost) -> None:
        """The desktop is elsewhere: begin anew there. `rejoin` does the rest when the main channel is there.

        Raises Refused, Unavailable, DeadlinePassed, RemoteProtocolError.
        """
        route = self._route.to(destination(told))
        self.cancel()
        self._route = route
        self._renew()
        for line in self._lines.values():
            line.leave()
        main = self._lines[_MAIN]
        main.go_over(await self._linked(main, connection_id=0), anew=True).close()

    async def rejoin(self) -> None:
        """Link what is still away, in a session that has begun. Raises as `switch` does."""
        for line in self._lines.values():
            if line.away:
                line.go_over(await self._linked(line, connection_id=self.session_id), anew=True).close()
                await line.greet(line.channel)

    async def _linked(self, line: Line, *, connection_id: int) -> Channel:
        try:
            async with asyncio.timeout(LINKING_S):
                return await self._enter(self._route, line, connection_id)
        except TimeoutError as exc:
            raise DeadlinePassed(f"The desktop's new server has not answered within {LINKING_S:g} s.") from exc

    @staticmethod
    async def _enter(route: Route, line: Line, connection_id: int) -> Channel:
        return await route.enter(line.kind, line.number, connection_id=connection_id, caps=line.caps)

    async def _hand_over(self, line: Line, told: Migrate) -> None:
        """A channel goes over by itself, with its state: nothing begins anew."""
        ahead, old = self._ahead, line.channel
        channel = ahead.channels.get((line.kind, line.number)) if ahead else None
        if ahead is None or channel is None:
            raise Unavailable("The desktop moves to another host, where this connection does not follow it.")
        if told.flags & MigrateFlag.NEED_FLUSH:
            await old.send(BaseClient.MIGRATE_FLUSH_MARK, Empty())
        if told.flags & MigrateFlag.NEED_DATA_TRANSFER:
            await channel.send(BaseClient.MIGRATE_DATA, Data(data=await _migrate_data(old.messages())))
        channel.go_on_from(old)
        del ahead.channels[line.kind, line.number]
        ahead.left.append(line.go_over(channel, anew=False))
        if not ahead.channels:
            self._route, self._ahead = ahead.route, None
            ahead.close()


async def _agrees(main: Channel, source_version: int) -> bool:
    """Whether the new server takes the links over as they are."""
    if not has(main.server_caps, MainCap.SEAMLESS_MIGRATE):
        return False
    await main.send(MainClient.MIGRATE_DST_DO_SEAMLESS, DoSeamless(source_version=source_version))
    async for message in main.messages():
        match message.type:
            case MainServer.MIGRATE_DST_SEAMLESS_ACK:
                return True
            case MainServer.MIGRATE_DST_SEAMLESS_NACK:
                return False
            case BaseServer.SET_ACK | BaseServer.PING:
                continue
        raise RemoteProtocolError("The desktop's new server speaks before it has agreed.")
    raise AssertionError("messages end by an error")


async def _migrate_data(messages: AsyncIterator[Message]) -> bytes:
    """What the old server gives the new one: its next message."""
    async for message in messages:
        if message.type == BaseServer.MIGRATE_DATA:
            return bytes(message.body)
        break
    raise RemoteProtocolError("A channel moves without the state that it announced.")
