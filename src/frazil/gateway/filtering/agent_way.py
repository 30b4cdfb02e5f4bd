"""One direction of the agent's messages: pieces in, pieces out, with the tokens that they cost.

A message is decided upon at its first piece and keeps its form: it passes, it is dropped, or its first piece is another
message and the rest is dropped. What passes and may no longer goes on as zeros, since its receiver counts its bytes.
Messages of our own stand between others and wait for tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from frazil.model.errors import RemoteProtocolError
from frazil.spice.agent_stream import AgentParser, AgentPiece, split
from frazil.spice.agent_tokens import TokenAccount
from frazil.spice.fields import Buffer

OWN_MAX = 1024
"""Messages of our own that wait. All are answers to one side; when it does not let them through, it goes without."""
RESERVE = 1
"""Tokens that are kept for messages of our own, so that an answer does not wait for the other side's next message."""


class Fate(Enum):
    """What becomes of the message that is under way."""

    PASS = auto()
    DROP = auto()
    BLANK = auto()


class AgentWay:
    """`send_data` writes the body of one `AGENT_DATA` onwards, `return_tokens` gives the sender so many back."""

    def __init__(self, send_data: Callable[[Buffer], None], return_tokens: Callable[[int], None]) -> None:
        self._send_data = send_data
        self._return_tokens = return_tokens
        self._parser = AgentParser()
        self._fate = Fate.DROP
        self._inside = False
        self._own: deque[bytes] = deque()
        self.tokens = TokenAccount(reserve=RESERVE)

    def reset(self) -> None:
        """The agent or the client begins anew."""
        self._parser.reset()
        self._inside = False
        self._own.clear()

    def data(self, body: memoryview, decide: Callable[[AgentPiece], Fate | bytes]) -> bool:
        """One `AGENT_DATA`: whether it goes on as it is. `decide` is asked at a message's first piece.

        The bytes that it may answer with are a whole message to go in place of this one. Raises RemoteProtocolError.
        """
        if not self.tokens.sent():
            raise RemoteProtocolError("An agent's message came without a token for it.")
        piece = self._parser.feed(body)
        instead: Buffer | None = None
        if piece.first:
            decided = decide(piece)
            if isinstance(decided, bytes):
                instead, self._fate = decided, Fate.DROP
            else:
                self._fate = decided
        elif self._fate is Fate.BLANK:
            instead = bytes(len(body))
        passes = self._fate is Fate.PASS
        self._inside = self._fate is not Fate.DROP and not piece.last
        if instead is not None:
            self._send_data(instead)
        elif not passes:
            self.tokens.dropped()
        return passes

    def settle(self) -> None:
        """To be called when what `data` returned has been done: our own messages go, and tokens go back."""
        while self._own and not self._inside and self.tokens.add():
            self._send_data(self._own.popleft())
        more = self.tokens.surplus()
        if more:
            self._return_tokens(more)

    def add(self, agent_type: int, body: Buffer) -> None:
        """A message of our own; small, so that it is one piece."""
        (data,) = split(agent_type, body)
        if len(self._own) < OWN_MAX:
            self._own.append(data)
        self.settle()

    def blank(self) -> None:
        """What is under way may not pass any longer."""
        if self._inside and self._fate is Fate.PASS:
            self._fate = Fate.BLANK
