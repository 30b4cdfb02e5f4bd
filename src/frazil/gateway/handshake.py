"""The link exchange, with a client on one side and a back end on the other.

The gateway stands in the middle without being seen: the back end gets the client's real capabilities, and the client
gets the back end's. Only the password differs: the client's is a ticket and ends here; the back end's is empty, since
its socket was handed over by the hypervisor and is open to nobody else.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from frazil.gateway.close_codes import CloseCode
from frazil.gateway.filtering import without_compression
from frazil.gateway.streams import ByteStream
from frazil.model.errors import RemoteProtocolError
from frazil.spice import link
from frazil.spice.auth import ENCRYPTED_BYTES, Mechanism, TicketKey, encrypt_password
from frazil.spice.capabilities import CommonCap, without
from frazil.spice.link import BadLink, LinkMessage, LinkReply
from frazil.spice.link_errors import LinkError, link_error_name

_U32 = struct.Struct("<I")


class LinkRefused(RemoteProtocolError):
    """This link can't be. `error` goes to the client in SPICE's words, `close_code` in WebSocket's.

    `answer` is the packet that tells it; empty when the protocol has no room for one at this point.
    """

    def __init__(self, what: str, *, error: LinkError, close_code: CloseCode, answer: bytes) -> None:
        super().__init__(what)
        self.error = error
        self.close_code = close_code
        self.answer = answer


def refuse_link(what: str, error: LinkError, close_code: CloseCode) -> LinkRefused:
    """A refusal in the place of a link reply."""
    return LinkRefused(what, error=error, close_code=close_code, answer=link.encode_refusal(error))


def refuse_password(what: str, error: LinkError, close_code: CloseCode) -> LinkRefused:
    """A refusal in answer to a password."""
    return LinkRefused(what, error=error, close_code=close_code, answer=_U32.pack(error))


async def read_message(client: ByteStream) -> LinkMessage:
    """What the client wants. Raises LinkRefused, or EOFError when it leaves."""
    try:
        size = link.decode_header(await client.read_exactly(link.HEADER_BYTES))
        return link.decode_message(await client.read_exactly(size))
    except BadLink as exc:
        raise refuse_link(exc.what, exc.error, CloseCode.BAD_LINK) from exc


async def link_back_end(back_end: ByteStream, message: LinkMessage) -> LinkReply:
    """Give the client's message to the back end. Raises LinkRefused with the back end's own code when it refuses."""
    try:
        caps = without_compression(message.channel_type, message.channel_caps)
        await back_end.write(link.encode_message(replace(message, channel_caps=caps)))
        size = link.decode_header(await back_end.read_exactly(link.HEADER_BYTES))
        reply = link.decode_reply(await back_end.read_exactly(size))
    except (BadLink, EOFError, OSError) as exc:
        raise refuse_link("The desktop's display did not answer.", LinkError.ERROR, CloseCode.BACKEND_GONE) from exc
    if reply.error != LinkError.OK:
        what = f"The desktop's display refused the link: {link_error_name(reply.error)}."
        raise LinkRefused(
            what,
            error=LinkError.CHANNEL_NOT_AVAILABLE,
            close_code=CloseCode.BAD_LINK,
            answer=link.encode_reply(LinkReply(error=reply.error)),
        )
    return reply


async def read_ticket(client: ByteStream, key: TicketKey, message: LinkMessage, reply: LinkReply) -> bytes:
    """Mirror the back end's reply under our key, and read the ticket that the client answers with.

    SASL is taken out of the mirrored capabilities: a client that can do both would choose it. So is what could not be
    read along.
    """
    mirrored = replace(
        reply,
        public_key=key.public_der,
        common_caps=without(reply.common_caps, CommonCap.AUTH_SASL),
        channel_caps=without_compression(message.channel_type, reply.channel_caps),
    )
    await client.write(link.encode_reply(mirrored))
    if link.selects_auth(message, reply):
        (mechanism,) = _U32.unpack(await client.read_exactly(_U32.size))
        if mechanism != Mechanism.SPICE:
            raise refuse_password(
                f"The client names the mechanism {mechanism}; only a SPICE password is taken.",
                LinkError.INVALID_DATA,
                CloseCode.BAD_LINK,
            )
    block = await client.read_exactly(ENCRYPTED_BYTES)
    try:
        return key.decrypt(block)
    except RemoteProtocolError as exc:
        raise refuse_password(exc.what, LinkError.PERMISSION_DENIED, CloseCode.REFUSED) from exc


def welcome() -> bytes:
    """What a client whose password was taken is told."""
    return _U32.pack(LinkError.OK)


async def enter_back_end(back_end: ByteStream, message: LinkMessage, reply: LinkReply, *, first: bytes = b"") -> bytes:
    """Give the empty password, and a `first` message with it. The back end's answer, to be passed on.

    Raises LinkRefused when it is a refusal.
    """
    mechanism = _U32.pack(Mechanism.SPICE) if link.selects_auth(message, reply) else b""
    try:
        await back_end.write(mechanism + encrypt_password(reply.public_key, b"") + first)
        answer = await back_end.read_exactly(_U32.size)
    except (RemoteProtocolError, EOFError, OSError) as exc:
        raise refuse_password(
            "The desktop's display broke off the link.", LinkError.ERROR, CloseCode.BACKEND_GONE
        ) from exc
    (code,) = _U32.unpack(answer)
    if code != LinkError.OK:
        what = f"The desktop's display refused to be entered: {link_error_name(code)}."
        raise LinkRefused(what, error=LinkError.ERROR, close_code=CloseCode.BACKEND_GONE, answer=answer)
    return answer
