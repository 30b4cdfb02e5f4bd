"""What stands before a link's messages, spoilt: CONNECT, the link exchange with both sides, a display's first message.

Each is refused in its own words or taken; `knock` repeats a case by its seed.
"""

from __future__ import annotations

import random
from collections.abc import Coroutine
from typing import TypeVar

from frazil.gateway import display_start, handshake
from frazil.gateway.handshake import LinkRefused
from frazil.gateway.tunnel import TunnelRefused, session_of_head
from frazil.spice import link
from frazil.spice.auth import Mechanism, TicketKey, encrypt_password
from frazil.spice.display_channel import DisplayClient, DisplayInit
from frazil.spice.fields import Buffer
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.link import LinkMessage, LinkReply
from frazil.spice.records import encode as body_of

KEY = TicketKey()
SESSION = "01900000-0000-7000-8000-0123456789ab"
HEAD_MAX_BYTES = 1 << 15
INIT = DisplayInit(pixmap_cache_id=1, pixmap_cache_pixels=1 << 20, glz_dictionary_id=1, glz_window_pixels=1 << 20)
T = TypeVar("T")


class Written:
    """A side that has said all that it will ever say."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self.heard = b""

    async def read_some(self) -> bytes:
        said, self._said = self._said, b""
        return said

    async def read_exactly(self, size: int) -> bytes:
        if len(self._said) < size:
            raise EOFError
        said, self._said = self._said[:size], self._said[size:]
        return said

    def send(self, data: Buffer) -> None:
        self.heard += data

    async def drain(self) -> None: ...

    async def write(self, data: bytes) -> None:
        self.send(data)


def now(doing: Coroutine[None, None, T]) -> T:
    """The result of what never has to wait."""
    try:
        doing.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("It waits for something.")


def knock(seed: int) -> int:
    """One link's beginning. How many of its steps were taken. What is not refused in words is an error of ours."""
    dice = random.Random(seed)
    caps = tuple(dice.randrange(1 << 32) for _ in range(dice.choice([0, 1, 1, 2, 64])))
    asked = LinkMessage(connection_id=0, channel_type=dice.randrange(13), channel_id=0, common_caps=caps)
    reply = LinkReply(error=0, public_key=KEY.public_der, common_caps=caps[::-1], channel_caps=caps)
    try:
        head = spoilt(dice, b"CONNECT " + f"{SESSION}:443 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        if isinstance(session_of_head(head, max_bytes=HEAD_MAX_BYTES), TunnelRefused):
            return 0
        message = now(handshake.read_message(Written(spoilt(dice, link.encode_message(asked)))))
        reply = now(handshake.link_back_end(Written(spoilt(dice, link.encode_reply(reply))), message))
        mechanism = int(Mechanism.SPICE).to_bytes(4, "little") if link.selects_auth(message, reply) else b""
        given = spoilt(dice, mechanism + encrypt_password(KEY.public_der, b"ticket"))
        now(handshake.read_ticket(Written(given), KEY, message, reply))
        kind = HeaderKind.MINI if link.uses_mini_header(message, reply) else HeaderKind.FULL
        first = now(
            display_start.read_init(Written(spoilt(dice, encode(kind, DisplayClient.INIT, body_of(INIT)))), kind)
        )
        now(handshake.enter_back_end(Written(spoilt(dice, bytes(4))), message, reply, first=first))
    except (LinkRefused, EOFError):
        return 1
    return 2


def spoilt(dice: random.Random, data: bytes) -> bytes:
    """As it is, cut, or with other bytes in some places."""
    if dice.random() < 0.7:
        return data
    if dice.random() < 0.3:
        return data[: dice.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(len(changed))] = dice.choice([0, 1, 0x7F, 0xFF, dice.randrange(256)])
    return bytes(changed)
