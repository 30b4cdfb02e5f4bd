"""The connection between a host and the controller, in memory: real messages, a real WebSocket object, no socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.websockets import WebSocket

from frazil.controller.hostlink import PATH
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


class Line:
    """One connection. A host uses `send`, `receive` and `close`; the controller, its `websocket`."""

    def __init__(self, life: Life, delay_s: Callable[[], float]) -> None:
        self._life = life
        self._up, self._down = _OneWay(delay_s), _OneWay(delay_s)
        self._accepted = False
        scope = {"type": "websocket", "path": PATH, "headers": [], "query_string": b""}
        self.websocket = WebSocket(scope, self._to_controller, self._from_controller)

    def send(self, text: str) -> None:
        """Raises ConnectionError once it is closed."""
        if self._up.closed:
            raise ConnectionResetError
        self._up.put(text)

    async def receive(self) -> str:
        """Raises ConnectionError once it is closed."""
        text = await self._down.get()
        if text is None:
            raise ConnectionResetError
        return text

    def close(self) -> None:
        """Both ends see it."""
        self._up.close()
        self._down.close()

    def cut(self) -> None:
        """Nothing arrives any more, and neither end is told."""
        self._up.cut = self._down.cut = True

    async def _to_controller(self) -> MutableMapping[str, Any]:
        if not self._accepted:
            self._accepted = True
            return {"type": "websocket.connect"}
        text = await self._up.get()
        self._life.point("after a message from a host")
        return (
            {"type": "websocket.disconnect", "code": 1001}
            if text is None
            else {"type": "websocket.receive", "text": text}
        )

    async def _from_controller(self, message: MutableMapping[str, Any]) -> None:
        if self._life.over.is_set():
            raise Died("at a message")
        match message["type"]:
            case "websocket.send":
                self._life.point("before a message to a host")
                if self._down.closed:
                    raise OSError("the host is gone")
                self._down.put(message["text"])
                self._life.point("after a message to a host")
            case "websocket.close":
                self.close()
