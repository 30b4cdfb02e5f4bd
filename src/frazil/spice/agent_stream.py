"""Agent messages cut into the bodies of `AGENT_DATA`, and joined again.

spice-server takes at most 2048 bytes in a body (`VD_AGENT_MAX_DATA_SIZE`); a message begins at the beginning of a body,
its header lies whole in it, and a body holds bytes of one message only (spice-server `agent-msg-filter`). What breaks
that would be refused by the server too, so that it is a `RemoteProtocolError` here.
"""

from __future__ import annotations

from dataclasses import dataclass

from frazil.model.errors import RemoteProtocolError
from frazil.spice.agent_messages import AGENT_HEADER_BYTES, AGENT_PROTOCOL, AgentHeader
from frazil.spice.fields import Buffer
from frazil.spice.records import decode, encode

AGENT_DATA_MAX_BYTES = 2048
MESSAGE_MAX_BYTES = 64 << 20
"""Of one agent message in `AgentAssembler`; what a person copies may be large, but not without bound."""


@dataclass(frozen=True, slots=True)
class AgentPiece:
    """What one `AGENT_DATA` has of a message. The header stood in the `first`; the message is whole with the `last`."""

    header: AgentHeader
    data: memoryview
    first: bool
    last: bool


class AgentParser:
    """One direction, body by body; keeps nothing but the header."""

    __slots__ = ("_at", "_header")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The agent or its client begins anew; what was under way is lost."""
        self._header: AgentHeader | None = None
        self._at = 0

    def feed(self, body: memoryview) -> AgentPiece:
        """What the body of one `AGENT_DATA` brings. Raises RemoteProtocolError."""
        if len(body) > AGENT_DATA_MAX_BYTES:
            raise RemoteProtocolError(
                f"An agent's message came in {len(body)} bytes at once; {AGENT_DATA_MAX_BYTES} is the most."
            )
        header, first = self._header, False
        if header is None:
            header, first = decode(AgentHeader, body), True
            if header.protocol != AGENT_PROTOCOL:
                raise RemoteProtocolError(f"Agent protocol {header.protocol} is not spoken, only {AGENT_PROTOCOL}.")
            body = body[AGENT_HEADER_BYTES:]
            self._at = 0
        if len(body) > header.size - self._at or not (body or first):
            raise RemoteProtocolError("An agent's message came in pieces that do not make it up.")
        self._at += len(body)
        last = self._at == header.size
        self._header = None if last else header
        return AgentPiece(header, body, first, last)


class AgentAssembler:
    """Whole agent messages out of bodies."""

    __slots__ = ("_max", "_parser", "_parts")

    def __init__(self, *, message_max_bytes: int = MESSAGE_MAX_BYTES) -> None:
        self._max = message_max_bytes
        self._parser = AgentParser()
        self._parts: list[bytes] = []

    def reset(self) -> None:
        """Forget what was under way."""
        self._parser.reset()
        self._parts.clear()

    def feed(self, body: memoryview) -> tuple[AgentHeader, bytes] | None:
        """The message that `body` completes. Raises RemoteProtocolError, for one over the limit at its first piece."""
        piece = self._parser.feed(body)
        if piece.header.size > self._max:
            raise RemoteProtocolError(f"An agent's message of {piece.header.size} bytes is over {self._max}.")
        self._parts.append(bytes(piece.data))
        if not piece.last:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        return piece.header, whole


def split(agent_type: int, body: Buffer, *, opaque: int = 0) -> list[bytes]:
    """The bodies of `AGENT_DATA` that carry one agent message; each of them costs a token."""
    header = encode(AgentHeader(protocol=AGENT_PROTOCOL, type=agent_type, opaque=opaque, size=len(body)))
    whole = header + body
    return [whole[at : at + AGENT_DATA_MAX_BYTES] for at in range(0, len(whole), AGENT_DATA_MAX_BYTES)]
