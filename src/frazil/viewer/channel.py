"""One channel's link from the client's side: handshake, messages both ways, and the answers that all channels owe."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable

from frazil.model.errors import Refused, Unavailable
from frazil.spice import link
from frazil.spice.auth import Mechanism, encrypt_password
from frazil.spice.base_messages import AckSync, BaseClient, BaseServer, Empty, Ping, Pong, SetAck
from frazil.spice.capabilities import CommonCap, has, words_of
from frazil.spice.channels import ChannelType, channel_name
from frazil.spice.framing import HeaderKind, Message, MessageParser, encode
from frazil.spice.link import LinkMessage
from frazil.spice.link_errors import LinkError, link_error_name
from frazil.spice.records import decode
from frazil.spice.records import encode as encode_record
from frazil.spice.sub_lists import unfold
from frazil.viewer.dialing import Dial

READ_BYTES = 1 << 18
CLOSING_S = 1.0
COMMON_CAPS = (CommonCap.AUTH_SELECTION, CommonCap.AUTH_SPICE, CommonCap.MINI_HEADER)


class Channel:
    """Made by `enter`. `received_bytes` counts all that came, `received` the messages; `sent_bytes` what went.

    `handled` is the serial of the last message that whoever reads them is done with; then `progressed` is called.
    """

    def __init__(
        self, kind: ChannelType, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], *, caps: Iterable[int]
    ) -> None:
        self.kind = kind
        self.received = 0
        self.handled = 0
        self.progressed: Callable[[], None] = lambda: None
        self.received_bytes = 0
        self.sent_bytes = 0
        self.server_caps: tuple[int, ...] = ()
        self._reader, self._writer = streams
        self._asked_caps = words_of(caps)
        self._header = HeaderKind.MINI
        self._serial = 0
        self._window = self._unacknowledged = 0
        self._messages: AsyncIterator[Message] | None = None

    @classmethod
    async def enter(
        cls, dial: Dial, kind: ChannelType, *, number: int = 0, connection_id: int, password: str, caps: Iterable[int]
    ) -> Channel:
        """Connect and link. Raises Unavailable, Refused, RemoteProtocolError."""
        made = cls(kind, await dial(), caps=caps)
        try:
            await made._shake_hands(number, connection_id, password)
        except BaseException as exc:
            made.close()
            if isinstance(exc, (EOFError, OSError)):
                raise Unavailable(f"The server closed the {channel_name(kind)} link at its beginning.") from exc
            raise
        return made

    async def _shake_hands(self, number: int, connection_id: int, password: str) -> None:
        asked = LinkMessage(
            connection_id=connection_id,
            channel_type=self.kind,
            channel_id=number,
            common_caps=words_of(COMMON_CAPS),
            channel_caps=self._asked_caps,
        )
        self._writer.write(link.encode_message(asked))
        size = link.decode_header(await self._reader.readexactly(link.HEADER_BYTES))
        reply = link.decode_reply(await self._reader.readexactly(size))
        _check(self.kind, reply.error)
        if link.selects_auth(asked, reply):
            if not has(reply.common_caps, CommonCap.AUTH_SPICE):
                raise Refused("The server takes no SPICE password, only SASL, which is not spoken here.")
            self._writer.write(struct.pack("<I", Mechanism.SPICE))
        self._writer.write(encrypt_password(reply.public_key, password.encode()))
        _check(self.kind, int(struct.unpack("<I", await self._reader.readexactly(4))[0]))
        self._header = HeaderKind.MINI if link.uses_mini_header(asked, reply) else HeaderKind.FULL
        self.server_caps = reply.channel_caps

    async def send(self, number: int, record: object) -> None:
        """One message. Raises Unavailable when the link is closed."""
        self._serial += 1
        message = encode(self._header, number, encode_record(record), serial=self._serial)
        self.sent_bytes += len(message)
        try:
            self._writer.write(message)
            await self._writer.drain()
        except OSError as exc:
            raise Unavailable(f"The server closed the {channel_name(self.kind)} link.") from exc

    def messages(self) -> AsyncIterator[Message]:
        """What the server says, until the link ends; pings and acknowledgements are answered.

        It is always the same iterator: who stops and asks again goes on where it was. A message's body is good until
        the next one. Raises Unavailable when the server closes the link, and RemoteProtocolError.
        """
        if self._messages is None:
            self._messages = self._read()
        return self._messages

    def go_on_from(self, old: Channel) -> None:
        """This link goes on with the messages of another one, which counted them."""
        self.received, self.handled, self._serial = old.received, old.received, old._serial + self._serial

    async def _read(self) -> AsyncIterator[Message]:
        parser = MessageParser(self._header)
        while True:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError as exc:
                raise Unavailable(f"The {channel_name(self.kind)} link broke: {exc.strerror or exc}.") from exc
            if not data:
                raise Unavailable(f"The server closed the {channel_name(self.kind)} link.")
            self.received_bytes += len(data)
            for envelope in parser.feed(data):
                self.received += 1
                for message in unfold(envelope):
                    await self._answer(message)
                    yield message
                self.handled = self.received
                self.progressed()
                await self._acknowledge()

    async def _answer(self, message: Message) -> None:
        if message.type == BaseServer.SET_ACK:
            asked = decode(SetAck, message.body)
            self._window, self._unacknowledged = asked.window, -1  # the counting begins behind this message
            await self.send(BaseClient.ACK_SYNC, AckSync(generation=asked.generation))
        elif message.type == BaseServer.PING:
            ping = decode(Ping, message.body)
            await self.send(BaseClient.PONG, Pong(id=ping.id, timestamp=ping.timestamp))

    async def _acknowledge(self) -> None:
        self._unacknowledged += 1
        if self._window and self._unacknowledged >= self._window:
            self._unacknowledged = 0
            await self.send(BaseClient.ACK, Empty())

    def close(self) -> None:
        """At once; what is not sent yet is lost."""
        self._writer.transport.abort()

    async def finish(self) -> None:
        """Send what waits to be sent, and close. What has not gone within a second is lost."""
        try:
            async with asyncio.timeout(CLOSING_S):
                self._writer.close()
                await self._writer.wait_closed()
        except OSError:  # TimeoutError is one
            self.close()


def _check(kind: ChannelType, error: int) -> None:
    match error:
        case LinkError.OK:
            return
        case LinkError.PERMISSION_DENIED:
            raise Refused("The server does not take this password.", remedy="A ticket is good once: get a new one.")
        case LinkError.NEED_SECURED:
            raise Refused("The server wants TLS.", remedy="Give its TLS port: spice+tls://HOST:PORT.")
        case _:
            raise Refused(f"The server refuses the {channel_name(kind)} link: {link_error_name(error)}.")
