"""Who owes an `ACK` for which of a server's messages, when somebody in the middle drops or adds some.

A server that keeps an ACK window sends `SET_ACK` (generation, window); its client answers `ACK_SYNC` and then `ACK` for
each `window` messages that it got. The server stops when more than twice the window is not acknowledged
(spice-server `RedChannelClientPrivate::waiting_for_ack`), and its counter is unsigned: an acknowledgement too many is
as bad as one too few. So nothing is said to the server before it is true: `due` is what the server sent and we know to
be dealt with (handled by the client, or dropped), less what we added.
"""

from __future__ import annotations

OWED_MAX = 64
"""Acknowledgements that are owed at most."""


class AckWindow:
    """The account of one link."""

    __slots__ = ("_due", "_generation", "_synced", "_window")

    def __init__(self) -> None:
        self._generation = -1
        self._window = 0
        self._synced = False
        self._due = 0

    @property
    def window(self) -> int:
        """Messages in one acknowledgement; 0 while the server keeps no window."""
        return self._window

    def set_ack(self, *, generation: int, window: int) -> None:
        """The server's `SET_ACK` goes by: counting begins anew behind it."""
        self._generation, self._window = generation, window
        self._synced = False
        self._due = 0

    def ack_sync(self, *, generation: int) -> int:
        """The client's `ACK_SYNC` goes by. How many `ACK` are to follow it: for what was dropped meanwhile."""
        self._synced = generation == self._generation
        return self._settle()

    def ack(self) -> int:
        """The client's `ACK` was taken. How many are to go on to the server in its place: 0, 1 or 2.

        One of an older generation goes on as it is; the server does not count it.
        """
        if not self._synced or not self._window:
            return 1
        self._due += self._window
        return self._settle()

    def dropped(self, messages: int = 1) -> int:
        """Messages of the server were kept from the client. How many `ACK` the server is to get for that."""
        if not self._window:
            return 0
        # A server that keeps to its window is never owed more than twice that; one that does not may not make us say
        # without end what it is owed.
        self._due = min(self._due + messages, OWED_MAX * self._window)
        return self._settle()

    def added(self, messages: int = 1) -> None:
        """The client got messages that are not the server's: it will acknowledge them too."""
        if self._window:
            self._due -= messages

    def _settle(self) -> int:
        if not self._synced or not self._window or self._due < self._window:
            return 0
        acks, self._due = divmod(self._due, self._window)
        return acks
