"""How a display link begins and ends without harm to its desktop (ADR 0205).

spice-server 0.15 reads a display client's first message in a loop, in the thread that draws, and uses the client's
memory after it is gone: whoever leaves, or says something wrong, before that loop is over takes QEMU down. Until the
message comes the desktop's drawing stands still, for up to 30 s. So the back end is entered only when the message is
there and is right, and until it was taken in, nothing more is said to the back end and its socket is not closed.
"""

from __future__ import annotations

import asyncio
import contextlib

from frazil.gateway.close_codes import CloseCode
from frazil.gateway.handshake import refuse_password
from frazil.gateway.streams import ByteStream
from frazil.model.errors import RemoteProtocolError
from frazil.spice.display_channel import GLZ_WINDOW_MAX_PIXELS, INIT_BYTES, DisplayClient, DisplayInit
from frazil.spice.framing import HeaderKind, Message, MessageParser
from frazil.spice.link_errors import LinkError
from frazil.spice.records import decode

BEGIN_DEADLINE_S = 5.0
"""A back end without a picture, as while its guest changes the mode, has nothing to say. It looks every 10 ms."""
SET_ACK_BYTES = 8
"""The body of the one message that the back end sends before it begins."""


async def read_init(client: ByteStream, kind: HeaderKind) -> bytes:
    """The client's first message, with its header. Raises LinkRefused when it is another one, or out of bounds."""
    data = await client.read_exactly(kind.value + INIT_BYTES)
    try:
        (message,) = MessageParser(kind, body_max_bytes=INIT_BYTES).feed(data)
        _check(message)
    except (RemoteProtocolError, ValueError) as exc:
        raise refuse_password(
            "The display's first message is not one that a viewer begins with.",
            LinkError.INVALID_DATA,
            CloseCode.BAD_LINK,
        ) from exc
    return data


def _check(message: Message) -> None:
    if message.type != DisplayClient.INIT or message.size != INIT_BYTES or message.sub_list:
        raise RemoteProtocolError(f"Message {message.type} of {message.size} bytes is not the display's first one.")
    window = decode(DisplayInit, message.body).glz_window_pixels
    if not 0 <= window <= GLZ_WINDOW_MAX_PIXELS:
        raise RemoteProtocolError(f"A GLZ window of {window} pixels is out of bounds.")


class DisplayStart:
    """A back end that was given the first message, until it has taken it in: then it says more than `SET_ACK`."""

    def __init__(self, kind: HeaderKind) -> None:
        self._silent_bytes = kind.value + SET_ACK_BYTES
        self._ends_s = asyncio.get_running_loop().time() + BEGIN_DEADLINE_S
        self._begun = asyncio.Event()

    def came(self, size: int) -> None:
        """So many bytes more came from the back end."""
        self._silent_bytes -= size
        if self._silent_bytes < 0:
            self._begun.set()

    async def begun(self) -> None:
        """Returns when the back end may be spoken to: it has begun, or has no picture to begin with."""
        if not self._begun.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._ends_s):
                    await self._begun.wait()
            self._begun.set()

    async def see_out(self, back_end: ByteStream) -> None:
        """Read what the back end says, for nobody, until its socket may be closed."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout_at(self._ends_s):
                while not self._begun.is_set():
                    data = await back_end.read_some()
                    if not data:
                        return
                    self.came(len(data))
