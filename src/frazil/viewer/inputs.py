"""Keys and the mouse of a desktop, over its inputs channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from frazil.model.errors import Conflict, InvalidInput
from frazil.spice.inputs_channel import (
    InputsClient,
    Key,
    MouseButton,
    MouseMotion,
    MousePosition,
    MousePress,
)
from frazil.spice.main_channel import MouseMode
from frazil.viewer import keyboard
from frazil.viewer.heads import Head, head_at
from frazil.viewer.line import Line

PAUSE_S = 0.02
"""Between keys: a PS/2 keyboard in the guest holds sixteen bytes, and loses what comes faster than it is read."""


class Inputs:
    """`mode` says which way the mouse goes now, and `agent` whether the desktop's agent moves it."""

    def __init__(self, line: Line, *, mode: Callable[[], int], agent: Callable[[], bool]) -> None:
        self._line = line
        self._mode = mode
        self._agent = agent
        self._buttons = 0

    async def type(self, text: str, *, pause_s: float = PAUSE_S) -> None:
        strokes = [keyboard.stroke(character) for character in text]  # all of it, or nothing
        for code, shifted in strokes:
            async with self.held(*([keyboard.SHIFT] if shifted else []), code):
                await asyncio.sleep(pause_s / 2)
            await asyncio.sleep(pause_s / 2)

    async def press(self, *chords: str, pause_s: float = PAUSE_S) -> None:
        for codes in [keyboard.chord(keys) for keys in chords]:
            async with self.held(*codes):
                await asyncio.sleep(pause_s / 2)
            await asyncio.sleep(pause_s / 2)

    @asynccontextmanager
    async def held(self, *codes: int) -> AsyncIterator[None]:
        """Keys that are down while the block runs."""
        for code in codes:
            await self._line.send(InputsClient.KEY_DOWN, Key(code=keyboard.down(code)))
        try:
            yield
        finally:
            for code in reversed(codes):
                await self._line.send(InputsClient.KEY_UP, Key(code=keyboard.up(code)))

    async def move(self, x: int, y: int, *, display: int, heads: Sequence[Head]) -> None:
        """A place in the picture of a display channel, which has these heads."""
        if self._mode() != MouseMode.CLIENT:
            raise Conflict(
                "This desktop's mouse takes only relative motions: it has no agent, and no tablet for this display.",
                remedy="Use move_by, or give the desktop a tablet; with several displays it needs its agent.",
            )
        if x < 0 or y < 0:
            raise InvalidInput(f"The pointer can't go to {x}, {y}.", field="x")
        # A tablet is as large as the picture. An agent is told the monitor, and the place on it (spice-gtk, vdagentd).
        if self._agent() and (head := head_at(heads, x, y)):
            display, x, y = display or head.number, x - head.box.left, y - head.box.top
        position = MousePosition(x=x, y=y, buttons=self._buttons, display_id=display)
        await self._line.send(InputsClient.MOUSE_POSITION, position)

    async def move_by(self, dx: int, dy: int) -> None:
        if self._mode() != MouseMode.SERVER:
            raise Conflict("This desktop's mouse takes positions, no motions.", remedy="Use move.")
        await self._line.send(InputsClient.MOUSE_MOTION, MouseMotion(dx=dx, dy=dy, buttons=self._buttons))

    @asynccontextmanager
    async def pressed(self, button: MouseButton) -> AsyncIterator[None]:
        """A button that is down while the block runs."""
        bit = 1 << (button - 1)
        self._buttons |= bit
        await self._line.send(InputsClient.MOUSE_PRESS, MousePress(button=button, buttons=self._buttons))
        try:
            yield
        finally:
            self._buttons &= ~bit
            await self._line.send(InputsClient.MOUSE_RELEASE, MousePress(button=button, buttons=self._buttons))
