"""What a SPICE server sends to a display channel: recorded, and drawn on a canvas of ours.

It runs without a loop of its own, so that a test can go from one picture to the next; a thread reads all the while,
since a server that nobody reads from stands still.
"""

from __future__ import annotations

import queue
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from frazil.spice import link
from frazil.spice.auth import encrypt_password
from frazil.spice.base_messages import BaseClient, BaseServer
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.canvas.pointer import Pointer
from frazil.spice.capabilities import CommonCap, words_of
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import (
    DISPLAY_FROM_SERVER,
    DisplayCap,
    DisplayClient,
    DisplayInit,
    DisplayServer,
    PreferredCompression,
)
from frazil.spice.draw_records import DrawFill
from frazil.spice.framing import HeaderKind, Message, MessageParser
from frazil.spice.framing import encode as framed
from frazil.spice.image_records import ImageCompression
from frazil.spice.link import LinkMessage
from frazil.spice.main_channel import MainClient, MainInit, MainServer
from frazil.spice.pictures.decoder import SessionPictures
from frazil.spice.records import decode, encode

DEADLINE_S = 30.0
CACHE_PIXELS = WINDOW_PIXELS = 1 << 22
CAPS = (
    DisplayCap.SIZED_STREAM,
    DisplayCap.MONITORS_CONFIG,
    DisplayCap.COMPOSITE,
    DisplayCap.A8_SURFACE,
    DisplayCap.LZ4_COMPRESSION,
    DisplayCap.PREF_COMPRESSION,
    DisplayCap.MULTI_CODEC,
    DisplayCap.CODEC_MJPEG,
    DisplayCap.CODEC_VP8,
    DisplayCap.CODEC_H264,
    DisplayCap.CODEC_VP9,
)
_SPICE = 1
"""The mechanism of a password."""


class _Link:
    """One channel, past its handshake."""

    def __init__(self, port: int, kind: ChannelType, *, connection_id: int, caps: tuple[int, ...]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        asked = LinkMessage(
            connection_id=connection_id,
            channel_type=kind,
            channel_id=0,
            common_caps=words_of((CommonCap.AUTH_SELECTION, CommonCap.AUTH_SPICE, CommonCap.MINI_HEADER)),
            channel_caps=words_of(caps),
        )
        self.socket.sendall(link.encode_message(asked))
        reply = link.decode_reply(self._read(link.decode_header(self._read(link.HEADER_BYTES))))
        self.socket.sendall(struct.pack("<I", _SPICE) + encrypt_password(reply.public_key, b""))
        assert self._read(4) == bytes(4), "the server lets us in"
        self._parser = MessageParser(HeaderKind.MINI)
        self._window = self._unacknowledged = 0

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the server goes on with the handshake"
            data += part
        return data

    def send(self, number: int, body: bytes) -> None:
        self.socket.sendall(framed(HeaderKind.MINI, number, body))

    def receive(self) -> Iterator[Message]:
        """What has come; pings and acknowledgements are answered. Raises EOFError."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError("the server closed the link")
        for message in self._parser.feed(data):
            if message.type == BaseServer.SET_ACK:
                generation, self._window = struct.unpack_from("<II", message.body)
                self._unacknowledged = 0
                self.send(BaseClient.ACK_SYNC, struct.pack("<I", generation))
            elif message.type == BaseServer.PING:
                self.send(BaseClient.PONG, bytes(message.body[:12]))
            self._unacknowledged += 1
            if self._window and self._unacknowledged >= self._window:
                self._unacknowledged = 0
                self.send(BaseClient.ACK, b"")
            yield message


class Recorder:
    """A canvas that follows a server. `stream` is all that the display channel said, each message behind its header."""

    def __init__(
        self,
        port: int,
        *,
        compression: ImageCompression | None,
        caps: tuple[int, ...],
        cache_pixels: int,
        window_pixels: int,
    ) -> None:
        self.pictures = SessionPictures.of_sizes(cache_pixels=cache_pixels, window_pixels=window_pixels)
        self.canvas = Canvas(self.pictures)
        self.pointer = Pointer()
        self.stream = bytearray()
        self._come: queue.Queue[tuple[ChannelType, int, bytes] | None] = queue.Queue()
        self._main = _Link(port, ChannelType.MAIN, connection_id=0, caps=())
        session = self._session()
        self._main.send(MainClient.ATTACH_CHANNELS, b"")
        self._display = _Link(port, ChannelType.DISPLAY, connection_id=session, caps=caps)
        self._cursor = _Link(port, ChannelType.CURSOR, connection_id=session, caps=())
        if compression is not None:
            self._display.send(
                DisplayClient.PREFERRED_COMPRESSION, encode(PreferredCompression(compression=compression))
            )
        begin = DisplayInit(
            pixmap_cache_id=1,
            pixmap_cache_pixels=cache_pixels,
            glz_dictionary_id=1,
            glz_window_pixels=window_pixels,
        )
        self._display.send(DisplayClient.INIT, encode(begin))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _session(self) -> int:
        while True:
            for message in self._main.receive():
                if message.type == MainServer.INIT:
                    return decode(MainInit, message.body).session_id

    def _listen(self) -> None:
        links = {
            link.socket: (kind, link)
            for kind, link in (
                (ChannelType.MAIN, self._main),
                (ChannelType.DISPLAY, self._display),
                (ChannelType.CURSOR, self._cursor),
            )
        }
        try:
            while True:
                for ready in select.select(list(links), [], [])[0]:
                    kind, link = links[ready]
                    for message in link.receive():
                        self._come.put((kind, message.type, bytes(message.body)))
        except (EOFError, OSError):
            self._come.put(None)

    def take(self, channel: ChannelType = ChannelType.DISPLAY) -> tuple[int, bytes]:
        """The channel's next message, once it is drawn; what the other channels say before is drawn too."""
        while True:
            come = self._come.get(timeout=DEADLINE_S)
            assert come is not None, "the server keeps the link"
            kind, number, body = come
            if kind is ChannelType.CURSOR:
                self.pointer.handle(number, body)
            elif kind is ChannelType.DISPLAY:
                if number >= DisplayServer.MODE:
                    self.stream += framed(HeaderKind.MINI, number, body)
                self.canvas.handle(number, body)
            if kind is channel:
                return number, body

    def take_until(self, color: int) -> None:
        """Draw up to a fill of that colour."""
        while True:
            number, body = self.take()
            if number == DisplayServer.DRAW_FILL:
                fill = DISPLAY_FROM_SERVER.decode(number, body)
                assert isinstance(fill, DrawFill)
                if fill.brush.content == color:
                    return

    def close(self) -> None:
        for one in (self._main, self._display, self._cursor):
            with suppress(OSError):  # the server may have closed it
                one.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_S)
        for one in (self._main, self._display, self._cursor):
            one.socket.close()


@contextmanager
def recording(
    port: int,
    *,
    compression: ImageCompression | None = None,
    caps: tuple[int, ...] = CAPS,
    cache_pixels: int = CACHE_PIXELS,
    window_pixels: int = WINDOW_PIXELS,
) -> Iterator[Recorder]:
    """Follow the server on this machine's `port`, which asks for no password."""
    recorder = Recorder(
        port, compression=compression, caps=caps, cache_pixels=cache_pixels, window_pixels=window_pixels
    )
    try:
        yield recorder
    finally:
        recorder.close()
