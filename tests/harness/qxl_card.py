"""A graphics card for the real spice-server, without a machine around it: it draws what a test's records say.

spice-server is a library; QEMU is only one of its users. Here it runs in a process of its own with a card that has no
guest: the test says `draw` with a record of `frazil.spice.draw_records`, which becomes the same command in the card's
memory that a guest's driver would put there (spice-protocol `qxl_dev.h`). The server sends it to whoever is linked, and
also draws it itself: `screen` is what it has made of the primary surface. So each operation and each compression can be
had from the real server, whatever a driver of today makes use of. A keyboard is there too, and where settings say so
more cards, an agent and a sound card.
"""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from frazil.spice.agent_messages import MonitorsConfig, MouseState
from frazil.spice.cursor_channel import CursorShape
from frazil.spice.sound_blocks import Samples
from tests.harness.card_server import ALWAYS, NEVER, VIDEO_ALL, VIDEO_OFF, CardSettings, Server

if TYPE_CHECKING:  # a card needs no viewer
    from frazil.viewer import Box

__all__ = ["ALWAYS", "NEVER", "VIDEO_ALL", "VIDEO_OFF", "Card", "CardSettings", "qxl_card"]

DEADLINE_S = 60.0


class Card:
    """The test's end of it."""

    def __init__(self, pipe: Connection, port: int) -> None:
        self._pipe = pipe
        self.port = port

    def _ask(self, *question: Any) -> Any:
        self._pipe.send(question)
        assert self._pipe.poll(DEADLINE_S), "the card answers"
        return self._pipe.recv()

    def draw(self, *records: object, card: int = 0) -> None:
        """Put drawings, surfaces made and surfaces destroyed into the card's ring; returns when they are there."""
        self._ask("draw", card, records)

    def screen(self, *, card: int = 0) -> npt.NDArray[Any]:
        """What the server has drawn itself on the primary surface after all that was put into the ring."""
        raw: npt.NDArray[Any] = self._ask("screen", card)
        return raw

    def point(self, x: int, y: int, shape: CursorShape, *, card: int = 0) -> None:
        """Give the pointer a shape and a place."""
        self._ask("point", card, x, y, shape)

    def monitors(self, *boxes: Box, card: int = 0) -> None:
        """Have so many monitors show parts of the primary surface."""
        self._ask("monitors", card, boxes)

    def keys(self) -> list[int]:
        """Bytes that the keyboard was given."""
        codes: list[int] = self._ask("keys")
        return codes

    def mouse(self) -> list[MouseState]:
        """Where the agent was told to put the pointer."""
        states: list[MouseState] = self._ask("mouse")
        return states

    def arranged(self) -> list[MonitorsConfig]:
        """Which monitors the agent was told to make."""
        wanted: list[MonitorsConfig] = self._ask("arranged")
        return wanted

    def start(self) -> None:
        """Have the machine run, in whose place we are."""
        self._ask("start")

    def move(self, host: str, port: int) -> None:
        """Begin to go to another server: clients are to be linked there."""
        self._ask("move", host, port)

    def clients_linked(self) -> bool:
        """Whether they are."""
        linked: bool = self._ask("clients_linked")
        return linked

    def moved(self) -> None:
        """The machine is there now."""
        self._ask("end_move", True)

    def stays(self) -> None:
        """The machine does not go."""
        self._ask("end_move", False)

    def switch_host(self, host: str, port: int) -> None:
        """The machine is there now, without a word before."""
        self._ask("switch_host", host, port)

    def play(self, samples: Samples) -> None:
        """Begin to play this, in stereo."""
        self._ask("play", samples)

    def record(self) -> None:
        """Listen to the microphone from now on."""
        self._ask("record")

    def recorded(self) -> Samples:
        """What the microphone has heard."""
        heard: Samples = self._ask("recorded")
        return heard


@contextmanager
def qxl_card(settings: CardSettings) -> Iterator[Card]:
    """A server with a card, on a port of this machine, without a password."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.poll(DEADLINE_S), "the card starts"
        yield Card(ours, ours.recv())
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(pipe: Connection, settings: CardSettings) -> None:
    server = Server(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    ours = [pipe.fileno(), listener.fileno()]
    while True:
        for fd in server.loop.turn(ours):
            if fd == listener.fileno():
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server.take(client)
                continue
            try:
                question = pipe.recv()
            except EOFError:
                return
            pipe.send(getattr(server, question[0])(*question[1:]))
