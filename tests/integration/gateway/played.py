"""A SPICE back end that a test plays: it takes links, keeps what it was told, and says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from frazil.spice import link
from frazil.spice.auth import ENCRYPTED_BYTES, TicketKey
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, MessageParser, encode
from frazil.spice.link import LinkMessage, LinkReply
from frazil.spice.main_channel import MainInit, MainServer
from frazil.spice.records import encode as encode_body
from tests.integration.gateway.stage import DEADLINE_S

CONNECTION_ID = 77
INIT = MainInit(
    session_id=CONNECTION_ID,
    display_channels_hint=1,
    supported_mouse_modes=3,
    current_mouse_mode=1,
    agent_connected=True,
    agent_tokens=10,
    multi_media_time_ms=0,
    ram_hint=0,
)


class PlayedLink:
    """One link that was entered. `message` is what the client said first, as it came through the gateway."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: LinkMessage, kind: HeaderKind
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.message = message
        self.kind = kind
        self._parser = MessageParser(kind)
        self._heard: list[tuple[int, bytes]] = []
        self._serial = 0

    async def say(self, number: int, body: bytes = b"") -> None:
        self._serial += 1
        self.writer.write(encode(self.kind, number, body, serial=self._serial))
        await self.writer.drain()

    async def hear(self) -> tuple[int, bytes]:
        """The next message: its number and body. EOFError when the gateway has closed the link."""
        async with asyncio.timeout(DEADLINE_S):
            while not self._heard:
                part = await self.reader.read(1 << 16)
                if not part:
                    raise EOFError
                self._heard += [(message.type, bytes(message.body)) for message in self._parser.feed(part)]
        return self._heard.pop(0)


class PlayedBackEnd:
    """Listens at `socket`. Each main link begins with `INIT`."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.key = TicketKey()
        self.reply = LinkReply(error=0, public_key=self.key.public_der, common_caps=(0b1011,))
        self.links: asyncio.Queue[PlayedLink] = asyncio.Queue()
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PlayedBackEnd]:
        async with await asyncio.start_unix_server(self._take, self.socket):
            yield self
            for writer in tuple(self._open):
                writer.transport.abort()

    async def link(self) -> PlayedLink:
        """The next link that was entered."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.links.get()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._let_in(reader, writer)
            await writer.wait_closed()
        except (EOFError, OSError):
            """Whoever came has left."""
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = link.decode_header(await reader.readexactly(link.HEADER_BYTES))
        message = link.decode_message(await reader.readexactly(size))
        writer.write(link.encode_reply(self.reply))
        await reader.readexactly(4 if link.selects_auth(message, self.reply) else 0)
        assert self.key.decrypt(await reader.readexactly(ENCRYPTED_BYTES)) == b""
        writer.write(bytes(4))
        kind = HeaderKind.MINI if link.uses_mini_header(message, self.reply) else HeaderKind.FULL
        entered = PlayedLink(reader, writer, message, kind)
        if message.channel_type == ChannelType.MAIN:
            await entered.say(MainServer.INIT, encode_body(INIT))
        self.links.put_nowait(entered)


class Flood:
    """Somebody who says more and more; `times` is how often it was taken."""

    def __init__(self) -> None:
        self.times = 0

    async def go_on(self, say: Callable[[], Awaitable[None]]) -> None:
        while True:
            await say()
            self.times += 1

    async def stopped(self, *, within: int) -> None:
        """Until nothing more is taken for a second, which has to be after fewer than so many."""
        before = -1
        while self.times != before:
            before = self.times
            assert before < within, f"all of {before} were taken"
            await asyncio.sleep(1)  # the length of a silence is what is measured


@asynccontextmanager
async def flood(say: Callable[[], Awaitable[None]]) -> AsyncIterator[Flood]:
    going = Flood()
    task = asyncio.create_task(going.go_on(say))
    try:
        yield going
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
