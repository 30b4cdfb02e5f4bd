"""Which controller is asked first: the one that did not fail last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path


class Controllers:
    """The sockets of one kind, of all controllers. Used from the event loop only."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        self._sockets = list(sockets)

    def __iter__(self) -> Iterator[Path]:
        """In the order in which they are to be tried."""
        return iter(tuple(self._sockets))

    def failed(self, socket: Path) -> None:
        """It can't be reached, or does not answer: all others are tried before it from now on."""
        self._sockets.remove(socket)
        self._sockets.append(socket)
