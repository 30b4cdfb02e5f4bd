"""A desktop's SPICE server for viewers' tests: main, display, cursor and inputs, and an agent with a clipboard.

Made of Frazil's own protocol code. What the client says is kept; what the desktop shows is what a test lets it draw.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from frazil.spice import framing, link
from frazil.spice.agent_messages import AgentCap, AgentType
from frazil.spice.agent_stream import split
from frazil.spice.auth import ENCRYPTED_BYTES, TicketKey
from frazil.spice.base_messages import BASE_FROM_CLIENT, BaseServer, Data, Empty, Ping, SetAck
from frazil.spice.capabilities import CommonCap, words_of
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DISPLAY_FROM_CLIENT, DisplayClient, DisplayServer
from frazil.spice.framing import HeaderKind, MessageParser
from frazil.spice.inputs_channel import INPUTS_FROM_CLIENT, InputsClient
from frazil.spice.link import LinkReply
from frazil.spice.link_errors import LinkError
from frazil.spice.main_channel import (
    MAIN_FROM_CLIENT,
    AgentDisconnected,
    AgentTokens,
    ChannelId,
    ChannelsList,
    MainClient,
    MainInit,
    MainServer,
    MouseMode,
    MouseModeRequest,
    MouseModeState,
    ServerName,
    ServerUuid,
)
from frazil.spice.records import encode
from frazil.spice.sound_channels import RECORD_FROM_CLIENT
from tests.fakes import desktop_agent
from tests.fakes.desktop_agent import DesktopAgent
from tests.harness import captures

SESSION = 77
ALL = ((ChannelType.DISPLAY, 0), (ChannelType.INPUTS, 0), (ChannelType.CURSOR, 0))
WITH_SOUND = (*ALL, (ChannelType.PLAYBACK, 0), (ChannelType.RECORD, 0))
TABLES = {
    ChannelType.MAIN: MAIN_FROM_CLIENT,
    ChannelType.DISPLAY: DISPLAY_FROM_CLIENT,
    ChannelType.INPUTS: INPUTS_FROM_CLIENT,
    ChannelType.CURSOR: MAIN_FROM_CLIENT,
    ChannelType.PLAYBACK: BASE_FROM_CLIENT,
    ChannelType.RECORD: RECORD_FROM_CLIENT,
}


@dataclass
class _Client:
    writer: asyncio.StreamWriter
    kind: HeaderKind

    def say(self, number: int, record: object) -> None:
        self.writer.write(framing.encode(self.kind, number, record if isinstance(record, bytes) else encode(record)))


class SpiceDesktop:
    """`heard` has what each channel's client said, decoded, `numbers` what kinds of messages the main channel's
    said, and `caps` the words of its capabilities.

    `guest` is the agent, there from the first with `agent`. `channel_caps` are the server's, on every channel.

    `picture` is the name of a capture, or messages that are shown at first; `echo` is what each key draws. `plays`
    is what a playback channel says at first. Of several displays only the one that is linked first shows it.
    """

    def __init__(
        self,
        *,
        password: bytes = b"",
        mini: bool = True,
        picture: str | Sequence[tuple[int, bytes]] = "lz",
        echo: Sequence[tuple[int, bytes]] = (),
        agent: bool = False,
        agent_tokens: int = 10,
        agent_caps: tuple[AgentCap, ...] = desktop_agent.CAPS,
        mouse_modes: int = 3,
        channels: Iterable[tuple[int, int]] = ALL,
        error: LinkError = LinkError.OK,
        window: int = 20,
        channel_caps: Iterable[int] = (),
        plays: Sequence[tuple[int, object]] = (),
    ) -> None:
        self.heard: list[tuple[ChannelType, object]] = []
        self.numbers: list[int] = []
        self.caps: dict[ChannelType, tuple[int, ...]] = {}
        self.acks = 0
        self.guest = DesktopAgent(self.say_as_agent, caps=agent_caps)
        self.clients: dict[ChannelType, _Client] = {}
        self.displays: dict[int, _Client] = {}
        self._key = TicketKey()
        self._password = password
        caps = (CommonCap.AUTH_SELECTION, CommonCap.AUTH_SPICE, *([CommonCap.MINI_HEADER] if mini else []))
        self._reply = LinkReply(
            error=LinkError.OK,
            public_key=self._key.public_der,
            common_caps=words_of(caps),
            channel_caps=words_of(channel_caps),
        )
        self._first = captures.messages(picture) if isinstance(picture, str) else picture
        self._echo = echo
        self._plays = plays
        self._agent = agent
        self._tokens = agent_tokens
        self._modes = mouse_modes
        self._channels = tuple(channels)
        self._error = error
        self._window = window
        self.stalls = False
        self.kept_tokens = 0
        self._tasks: list[asyncio.Task[None]] = []

    def give(self) -> socket.socket:
        """One end of another connection."""
        ours, theirs = socket.socketpair()
        self._tasks.append(asyncio.create_task(self._on_socket(ours)))
        return theirs

    @asynccontextmanager
    async def there(self) -> AsyncIterator[SpiceDesktop]:
        """While the block runs; what went wrong in it is raised at its end."""
        try:
            yield self
        finally:
            for client in (*self.clients.values(), *self.displays.values()):
                client.writer.close()
            async with asyncio.timeout(10):
                await asyncio.gather(*self._tasks)

    async def _on_socket(self, ours: socket.socket) -> None:
        await self.serve(*await asyncio.open_connection(sock=ours))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One link, to its end."""
        try:
            await self._link(reader, writer)
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = link.decode_message(
            await reader.readexactly(link.decode_header(await reader.readexactly(link.HEADER_BYTES)))
        )
        if self._error is not LinkError.OK:
            writer.write(link.encode_refusal(self._error))
            return
        writer.write(link.encode_reply(self._reply))
        if link.selects_auth(message, self._reply):
            await reader.readexactly(4)
        right = self._key.decrypt(await reader.readexactly(ENCRYPTED_BYTES)) == self._password
        writer.write(int(LinkError.OK if right else LinkError.PERMISSION_DENIED).to_bytes(4, "little"))
        if not right:
            return
        channel = ChannelType(message.channel_type)
        self.caps[channel] = message.channel_caps
        assert message.connection_id == (0 if channel is ChannelType.MAIN else SESSION)
        kind = HeaderKind.MINI if link.uses_mini_header(message, self._reply) else HeaderKind.FULL
        client = _Client(writer, kind)
        if channel is ChannelType.MAIN:
            self.clients.clear()
            self.displays.clear()
        self.clients.setdefault(channel, client)
        if channel is ChannelType.DISPLAY:
            self.displays[message.channel_id] = client
        self._greet(channel, client)
        if channel is ChannelType.PLAYBACK:
            for number, record in self._plays:
                client.say(number, record)
        parser = MessageParser(kind)
        while data := await reader.read(65536):
            for one in parser.feed(data):
                if one.type == 2:
                    self.acks += 1
                    continue
                record = TABLES[channel].decode(one.type, bytes(one.body))
                self.heard.append((channel, record))
                if channel is ChannelType.MAIN:
                    self.numbers.append(one.type)
                self._answer(channel, client, one.type, record)

    def _greet(self, channel: ChannelType, client: _Client) -> None:
        if channel is ChannelType.MAIN:
            init = MainInit(
                session_id=SESSION,
                display_channels_hint=1,
                supported_mouse_modes=self._modes,
                current_mouse_mode=MouseMode.SERVER,
                agent_connected=self._agent,
                agent_tokens=self._tokens,
                multi_media_time_ms=0,
                ram_hint=0,
            )
            client.say(MainServer.INIT, init)
            client.say(BaseServer.PING, Ping(id=9, timestamp=5, data=bytes(100)))
            client.say(MainServer.NAME, ServerName(name=b"office-7\0"))
            client.say(MainServer.UUID, ServerUuid(uuid=bytes(range(16))))

    def _answer(self, channel: ChannelType, client: _Client, number: int, record: object) -> None:
        main = self.clients[ChannelType.MAIN]
        if channel is ChannelType.DISPLAY and number == DisplayClient.INIT:
            client.say(BaseServer.SET_ACK, SetAck(generation=3, window=self._window))
            if client is self.clients[channel]:
                self.draw(self._first)
            client.say(DisplayServer.MARK, Empty())
        if channel is ChannelType.INPUTS and number == InputsClient.KEY_DOWN:
            self.draw(self._echo)
        if channel is not ChannelType.MAIN:
            return
        if number == MainClient.ATTACH_CHANNELS:
            ids = tuple(ChannelId(type=kind, id=one) for kind, one in self._channels)
            main.say(MainServer.CHANNELS_LIST, ChannelsList(channels=ids))
        elif isinstance(record, MouseModeRequest):
            main.say(MainServer.MOUSE_MODE, MouseModeState(supported=self._modes, current=record.mode))
        elif isinstance(record, Data):
            self.grant(1)
            self.guest.feed(memoryview(bytes(record.data)))

    def draw(self, messages: Iterable[tuple[int, bytes]], *, display: int | None = None) -> None:
        """Let a display channel say this: the first one that was linked, or the one of this number."""
        client = self.clients[ChannelType.DISPLAY] if display is None else self.displays[display]
        for number, body in messages:
            client.say(number, body)

    def start_agent(self, tokens: int = 10) -> None:
        self.clients[ChannelType.MAIN].say(MainServer.AGENT_CONNECTED_TOKENS, AgentTokens(tokens=tokens))

    def grant(self, tokens: int) -> None:
        """Take so many messages more for the agent; while it `stalls` they are kept."""
        if self.stalls:
            self.kept_tokens += tokens
        else:
            self.clients[ChannelType.MAIN].say(MainServer.AGENT_TOKEN, AgentTokens(tokens=tokens))

    def stop_agent(self) -> None:
        self.clients[ChannelType.MAIN].say(MainServer.AGENT_DISCONNECTED, AgentDisconnected(error=0))

    def say_as_agent(self, kind: AgentType, body: bytes) -> None:
        for part in split(kind, body):
            self.clients[ChannelType.MAIN].say(MainServer.AGENT_DATA, Data(data=part))
