"""Who may still send how many `AGENT_DATA`, when somebody in the middle drops or adds some. One account a direction.

The receiver of agent messages hands out tokens (`INIT`, `AGENT_CONNECTED_TOKENS`, `AGENT_START`, then `AGENT_TOKEN`);
each `AGENT_DATA` costs one. A server ends the link of a client that sends without (spice-server
`RedCharDevice::write_buffer_get_client`); a client without tokens waits for ever. What the receiver allows and what
the sender was told may differ only by the spare ones that are kept here, for messages of our own.
"""

from __future__ import annotations

UNLIMITED = 0xFFFFFFFF
"""What spice-gtk and spice-html5 say at `AGENT_START`: no account is kept."""


class TokenAccount:
    """Tokens of one direction. `reserve` of them are kept back for messages that we add."""

    __slots__ = ("_reserve", "_spare", "_told", "_unlimited")

    def __init__(self, *, reserve: int = 0) -> None:
        self._reserve = reserve
        self._spare = 0
        self._told = 0
        self._unlimited = False

    @property
    def spare(self) -> int:
        """How many messages of our own may go now."""
        return UNLIMITED if self._unlimited else self._spare

    @property
    def told(self) -> int:
        """How many the sender has left, as far as it knows."""
        return UNLIMITED if self._unlimited else self._told

    @property
    def unlimited(self) -> bool:
        """Whether the receiver takes any number, so that nothing is counted."""
        return self._unlimited

    def reset(self, tokens: int) -> int:
        """The receiver begins anew with so many. What the sender is to be told instead."""
        self._unlimited = tokens == UNLIMITED
        if self._unlimited:
            return tokens
        self._spare = max(0, min(self._reserve, tokens - 1))
        self._told = tokens - self._spare
        return self._told

    def granted(self, tokens: int) -> None:
        """The receiver allows more; see `surplus`."""
        if not self._unlimited:
            self._spare += tokens

    def surplus(self) -> int:
        """What the sender is to be told now, because more is spare than the reserve; counts it as told.

        Whoever has messages of its own to send does that first.
        """
        if self._unlimited:
            return 0
        more = max(0, self._spare - self._reserve)
        self._spare -= more
        self._told += more
        return more

    def sent(self) -> bool:
        """The sender has sent one, which is to go on. Whether the receiver has allowed it.

        What is kept back for us is the sender's when it takes it: we are not stricter than the receiver.
        """
        if not self._unlimited:
            if not self._told and not self._spare:
                return False
            if self._told:
                self._told -= 1
            else:
                self._spare -= 1
        return True

    def dropped(self) -> None:
        """One that was counted as `sent` did not go on: its token is spare."""
        if not self._unlimited:
            self._spare += 1

    def add(self) -> bool:
        """We send one of our own. Whether there is a token for it."""
        if not self._unlimited:
            if not self._spare:
                return False
            self._spare -= 1
        return True
