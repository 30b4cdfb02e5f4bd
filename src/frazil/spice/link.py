"""The first exchange on every SPICE link: header, link message, link reply.

Layouts are of spice-protocol `protocol.h` (`SpiceLinkHeader`, `SpiceLinkMess`, `SpiceLinkReply`), all little-endian.
Sizes are bounded as spice-server's `reds.cpp` does (`size` at most 4096), and the number of capability words is checked
against the bytes that are there before anything is allocated for them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.capabilities import CommonCap, has
from frazil.spice.cursor import Cursor
from frazil.spice.link_errors import LinkError

MAGIC = b"REDQ"
VERSION_MAJOR = 2
VERSION_MINOR = 2
HEADER_BYTES = 16
BODY_MAX_BYTES = 4096
"""`size` in a link header; what spice-server allows."""
CAPABILITY_WORDS_MAX = 64
"""For each of the two sets. Today one word of each is in use."""
PUBLIC_KEY_BYTES = 162
"""SubjectPublicKeyInfo of a 1024-bit RSA key in DER (`SPICE_TICKET_PUBKEY_BYTES`)."""
MESSAGE_FIXED_BYTES = 18
REPLY_FIXED_BYTES = 4 + PUBLIC_KEY_BYTES + 12

_HEADER = struct.Struct("<4sIII")


class BadLink(RemoteProtocolError):
    """A link header or message breaks the protocol; `error` is what a server answers to it."""

    def __init__(self, what: str, *, error: LinkError) -> None:
        super().__init__(what)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMessage:
    """What a client says first. `connection_id` is 0 on a new main link, else the id of `MAIN_INIT`."""

    connection_id: int
    channel_type: int
    channel_id: int
    common_caps: tuple[int, ...] = ()
    channel_caps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReply:
    """What a server answers. `public_key` is empty when `error` is not 0 and the server sent only the code."""

    error: int
    public_key: bytes = b""
    common_caps: tuple[int, ...] = ()
    channel_caps: tuple[int, ...] = ()


def uses_mini_header(message: LinkMessage, reply: LinkReply) -> bool:
    """Whether messages after the link carry six-byte headers: both sides must be able to."""
    return has(message.common_caps, CommonCap.MINI_HEADER) and has(reply.common_caps, CommonCap.MINI_HEADER)


def selects_auth(message: LinkMessage, reply: LinkReply) -> bool:
    """Whether the client names a mechanism before its password: both sides must be able to."""
    return has(message.common_caps, CommonCap.AUTH_SELECTION) and has(reply.common_caps, CommonCap.AUTH_SELECTION)


def decode_header(data: bytes | memoryview) -> int:
    """The number of bytes that follow the 16 of a link header. Raises BadLink."""
    cursor = Cursor(data)
    if bytes(cursor.view(4)) != MAGIC:
        raise BadLink("This is not SPICE: a link begins with the letters REDQ.", error=LinkError.INVALID_MAGIC)
    major = cursor.u32()
    cursor.u32()  # A minor version only adds; spice-server looks at the major one alone.
    size = cursor.u32()
    cursor.check_end()
    if major != VERSION_MAJOR:
        raise BadLink(
            f"SPICE major version {major} is not spoken here, only {VERSION_MAJOR}.", error=LinkError.VERSION_MISMATCH
        )
    if size > BODY_MAX_BYTES:
        raise BadLink(
            f"A link body of {size} bytes is over the limit of {BODY_MAX_BYTES}.", error=LinkError.INVALID_DATA
        )
    return size


def decode_message(body: bytes | memoryview) -> LinkMessage:
    """A client's link message, without its header. Raises BadLink."""
    try:
        cursor = Cursor(body)
        connection_id = cursor.u32()
        channel_type, channel_id = cursor.u8(), cursor.u8()
        common, channel = _read_caps(cursor)
    except BadLink:
        raise
    except RemoteProtocolError as exc:
        raise BadLink(exc.what, error=LinkError.INVALID_DATA) from exc
    return LinkMessage(
        connection_id=connection_id,
        channel_type=channel_type,
        channel_id=channel_id,
        common_caps=common,
        channel_caps=channel,
    )


def encode_message(message: LinkMessage) -> bytes:
    """Header and link message, ready to send."""
    fixed = struct.pack("<IBB", message.connection_id, message.channel_type, message.channel_id)
    return _with_header(fixed + _caps(message.common_caps, message.channel_caps, offset=MESSAGE_FIXED_BYTES))


def decode_reply(body: bytes | memoryview) -> LinkReply:
    """A server's link reply, without its header. Raises BadLink.

    A server that refuses may end its reply after the error code or leave the key empty.
    """
    try:
        cursor = Cursor(body)
        error = cursor.u32()
        if error != LinkError.OK:
            return LinkReply(error=error)
        key = bytes(cursor.view(PUBLIC_KEY_BYTES))
        common, channel = _read_caps(cursor)
    except BadLink:
        raise
    except RemoteProtocolError as exc:
        raise BadLink(exc.what, error=LinkError.INVALID_DATA) from exc
    return LinkReply(error=error, public_key=key, common_caps=common, channel_caps=channel)


def encode_reply(reply: LinkReply) -> bytes:
    """Header and link reply, ready to send. A refusal carries an empty key, as spice-server's does."""
    if reply.error == LinkError.OK and len(reply.public_key) != PUBLIC_KEY_BYTES:
        raise LocalProtocolError(
            f"A link reply needs a public key of {PUBLIC_KEY_BYTES} bytes, not {len(reply.public_key)}."
        )
    fixed = struct.pack("<I", reply.error) + reply.public_key.ljust(PUBLIC_KEY_BYTES, b"\0")
    return _with_header(fixed + _caps(reply.common_caps, reply.channel_caps, offset=REPLY_FIXED_BYTES))


def encode_refusal(error: LinkError) -> bytes:
    """A whole link reply that refuses."""
    return encode_reply(LinkReply(error=error))


def _read_caps(cursor: Cursor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    common, channel, offset = cursor.u32(), cursor.u32(), cursor.u32()
    cursor.seek(offset)
    return cursor.u32s(common, limit=CAPABILITY_WORDS_MAX), cursor.u32s(channel, limit=CAPABILITY_WORDS_MAX)


def _caps(common: tuple[int, ...], channel: tuple[int, ...], *, offset: int) -> bytes:
    if max(len(common), len(channel)) > CAPABILITY_WORDS_MAX:
        raise LocalProtocolError(f"At most {CAPABILITY_WORDS_MAX} capability words fit into a link message.")
    words = (*common, *channel)
    return struct.pack(f"<III{len(words)}I", len(common), len(channel), offset, *words)


def _with_header(body: bytes) -> bytes:
    return _HEADER.pack(MAGIC, VERSION_MAJOR, VERSION_MINOR, len(body)) + body
