"""One of a desktop's displays: what it shows, and the mouse on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, InvalidInput
from frazil.spice.framing import Message
from frazil.spice.inputs_channel import MouseButton
from frazil.spice.pictures.decoder import SessionPictures
from frazil.viewer.inputs import PAUSE_S, Inputs
from frazil.viewer.outline import Outline
from frazil.viewer.screen import Screen
from frazil.viewer.screenshot import Box, Screenshot
from frazil.viewer.waiting import Changes

TIMEOUT_S = 30.0
LOOK_S = 0.05
"""Between two looks at a picture that is waited for: a look at a whole screen costs more than a drawing."""


class Display:
    """Coordinates are pixels from the upper left corner; times are seconds. `number` is that of the display channel.

    What is asked of it when the connection has ended raises the error that it ended with.
    """

    def __init__(self, number: int, screen: Screen | Outline, changes: Changes, inputs: Callable[[], Inputs]) -> None:
        self.number = number
        self._screen = screen
        self._changes = changes
        self._give_inputs = inputs

    # What is seen

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels. Raises Conflict while nothing is shown."""
        size = self._screen.size
        if size is None:
            raise Conflict("The desktop shows no picture now.", remedy="Wait for one: wait_for_picture.")
        return size

    @property
    def drawings(self) -> int:
        """How often something was drawn so far, whether it made a difference or not."""
        return self._screen.drawings

    @property
    def monitors(self) -> tuple[Box, ...]:
        """The parts of the picture that the desktop's monitors show, by their numbers: most displays have one monitor.

        ``screenshot().cut(monitors[1])`` is what the second one shows. Empty while nothing is shown.
        """
        return tuple(head.box for head in self._screen.heads)

    def screenshot(self, *, pointer: bool = False) -> Screenshot:
        """What is seen now, as a copy; with the `pointer` on it if wanted. Raises Conflict while nothing is shown."""
        self._changes.check()
        return self._screen.screenshot(pointer=pointer)

    async def wait_for_picture(self, *, timeout_s: float = TIMEOUT_S) -> Screenshot:
        """The first whole picture, or what is seen now when it has come already. Raises DeadlinePassed."""
        await self.wait_for_screen(timeout_s=timeout_s)
        return self.screenshot()

    async def wait_for_screen(self, *, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until all that was on the screen has come; also without pictures. Raises DeadlinePassed."""
        await self._until(lambda: self._screen.complete, "A first picture", timeout_s)

    async def wait_for_drawing(self, *, after: int | None = None, timeout_s: float = TIMEOUT_S) -> int:
        """Wait until more than `after` drawings have come (default: than now); how many. Raises DeadlinePassed."""
        before = self.drawings if after is None else after
        await self._until(lambda: self.drawings > before, "Another drawing", timeout_s)
        return self.drawings

    async def wait_until(self, condition: Callable[[Screenshot], bool], *, timeout_s: float = TIMEOUT_S) -> Screenshot:
        """Wait for a picture of which `condition` is true, and return it. Raises DeadlinePassed.

        The condition is asked at once and after drawings, twenty times a second at most.
        """
        try:
            async with asyncio.timeout(timeout_s):
                seen = -1
                while True:
                    await self._picture_after(seen, 2 * timeout_s)
                    seen = self.drawings
                    if condition(picture := self.screenshot()):
                        return picture
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as exc:
            raise DeadlinePassed(f"The picture that was waited for has not come within {timeout_s:g} s.") from exc

    async def wait_for(self, picture: Screenshot, *, timeout_s: float = TIMEOUT_S) -> Box:
        """Wait until `picture` is somewhere on the screen, pixel for pixel; where. Raises DeadlinePassed."""
        found: list[Box] = []

        def there(seen: Screenshot) -> bool:
            box = seen.find(picture)
            found.extend([box] if box else [])
            return box is not None

        await self.wait_until(there, timeout_s=timeout_s)
        return found[0]

    async def wait_still(self, *, for_s: float = 0.5, timeout_s: float = TIMEOUT_S) -> Screenshot:
        """Wait until nothing was drawn for so long; what is seen then. Raises DeadlinePassed."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    before = self.drawings
                    await asyncio.sleep(for_s)  # the length of a silence is what counts
                    if self._screen.complete and self.drawings == before:
                        return self.screenshot()
                    self._changes.check()
        except TimeoutError as exc:
            raise DeadlinePassed(f"The desktop was not still for {for_s:g} s within {timeout_s:g} s.") from exc

    # The mouse

    async def move(self, x: int, y: int) -> None:
        """Put the pointer there. Raises Conflict where the mouse takes no positions (`Info.absolute_mouse`).

        Of several displays the second takes positions only while the desktop's agent is there.
        """
        await self._point(x, y)

    async def move_by(self, dx: int, dy: int) -> None:
        """Move a mouse that takes only motions. Raises Conflict where it takes positions."""
        await self._input.move_by(dx, dy)

    async def click(
        self, x: int | None = None, y: int | None = None, *, button: MouseButton = MouseButton.LEFT, times: int = 1
    ) -> None:
        """Click there, or where the pointer is; twice in a row is a double click. Raises Conflict, as `move` does."""
        if x is not None or y is not None:
            if x is None or y is None:
                raise InvalidInput("A place has two coordinates.", field="x" if x is None else "y")
            await self._point(x, y)
        for _ in range(times):
            async with self._input.pressed(button):
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(PAUSE_S)

    async def drag(self, start: tuple[int, int], end: tuple[int, int], *, steps: int = 10) -> None:
        """Hold the left button from `start` to `end`, and go there in some steps."""
        await self._point(*start)
        async with self._input.pressed(MouseButton.LEFT):
            for step in range(1, steps + 1):
                x, y = (round(a + (b - a) * step / steps) for a, b in zip(start, end, strict=True))
                await self._point(x, y)
                await asyncio.sleep(PAUSE_S)

    async def scroll(self, lines: int) -> None:
        """Turn the wheel: down by so many notches, up when it is negative."""
        await self.click(button=MouseButton.DOWN if lines > 0 else MouseButton.UP, times=abs(lines))

    # What a connection does

    def begin_anew(self, session: SessionPictures) -> None:
        """The desktop is at another server, which sends all of it again."""
        self._screen.begin_anew(session)

    def draw(self, message: Message) -> bool:
        """A message of the display channel; whether what is seen may have changed. Raises RemoteProtocolError."""
        return self._screen.display(message.type, message.body)

    def draw_pointer(self, message: Message) -> None:
        """A message of the cursor channel. Raises RemoteProtocolError."""
        self._screen.cursor(message.type, message.body)

    @property
    def _input(self) -> Inputs:
        self._changes.check()
        return self._give_inputs()

    async def _point(self, x: int, y: int) -> None:
        await self._input.move(x, y, display=self.number, heads=self._screen.heads)

    async def _until(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        await self._changes.until(condition, what=what, timeout_s=timeout_s)

    async def _picture_after(self, drawings: int, timeout_s: float) -> None:
        await self._until(lambda: self._screen.complete and self.drawings > drawings, "Another drawing", timeout_s)
