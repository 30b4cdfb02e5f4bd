"""The connection between a host and the controller, in memory: real messages, no socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from tests.harness.simulation.crashes import Died, Life


class _OneWay:
    """Texts arrive in their order, each after the delay of its moment, until the line is cut or closed."""

    def __init__(self, delay_s: Callable[[], float]) -> None:
        self._delay_s = delay_s
        self._last_s = 0.0
        self._arrived: deque[str] = deque()
        self._wake = asyncio.Event()
        self.cut = self.closed = False

    def put(self, text: str) -> None:
        loop = asyncio.get_running_loop()
        self._last_s = max(self._last_s, loop.time() + self._delay_s())
        loop.call_at(self._last_s, self._arrive, text)

    def _arrive(self, text: str) -> None:
        if not self.cut and not self.closed:
            self._arrived.append(text)
            self._wake.set()

    def close(self) -> None:
        """What has arrived can still be read."""
        self.closed = True
        self._wake.set()

    async def get(self) -> str | None:
        """The next text; None once it is closed."""
        while not self._arrived:
            if self.closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._arrived.popleft()


class _ControllersEnd:
    """What `HostLinks` uses of a connection. The controller may die at each message."""

    def __init__(self, line: Line, life: Life) -> None:
        self._line = line
        self._life = life

    async def recv(self) -> str:
        text = await self._line.up.get()
        self._life.point("after a message from a host")
        if text is None:
            raise ConnectionClosedOK(None, None)
        return text

    async def send(self, text: str) -> None:
        if self._life.over.is_set():
            raise Died("at a message")
        self._life.point("before a message to a host")
        if self._line.down.closed:
            raise ConnectionClosedError(None, None)
        self._line.down.put(text)
        self._life.point("after a message to a host")

    async def close(self, code: int) -> None:
        if self._life.over.is_set():
            raise Died("at a message")
        self._line.close()


class Line:
    """One connection. A host uses `send`, `receive` and `close`; the controller, its `websocket`."""

    def __init__(self, life: Life, delay_s: Callable[[], float]) -> None:
        self.up, self.down = _OneWay(delay_s), _OneWay(delay_s)
        self.websocket = cast(ServerConnection, _ControllersEnd(self, life))

    def send(self, text: str) -> None:
        """Raises ConnectionError once it is closed."""
        if self.up.closed:
            raise ConnectionResetError
        self.up.put(text)

    async def receive(self) -> str:
        """Raises ConnectionError once it is closed."""
        text = await self.down.get()
        if text is None:
            raise ConnectionResetError
        return text

    def close(self) -> None:
        """Both ends see it."""
        self.up.close()
        self.down.close()

    def cut(self) -> None:
        """Nothing arrives any more, and neither end is told."""
        self.up.cut = self.down.cut = True
