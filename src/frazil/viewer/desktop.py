"""A desktop that is looked at, typed on and clicked on by a program."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, InvalidInput, RemoteProtocolError, Unavailable
from frazil.spice.base_messages import BaseServer, Data, Empty
from frazil.spice.channels import channel_name
from frazil.spice.framing import Message
from frazil.spice.inputs_channel import MouseButton
from frazil.spice.main_channel import (
    MAIN_FROM_SERVER,
    AgentTokens,
    ChannelsList,
    MainClient,
    MainInit,
    MainServer,
    MouseMode,
    MouseModeRequest,
    MouseModeState,
    MultiMediaTime,
    ServerName,
    ServerUuid,
)
from frazil.spice.sound_blocks import Samples, SoundBlock, SoundFormat
from frazil.viewer.channel import Channel
from frazil.viewer.inputs import PAUSE_S, Inputs
from frazil.viewer.outline import Outline
from frazil.viewer.screen import Screen
from frazil.viewer.screenshot import Box, Screenshot
from frazil.viewer.sharing import Sharing
from frazil.viewer.sound import Sound
from frazil.viewer.waiting import Changes

TIMEOUT_S = 30.0
LOOK_S = 0.05
"""Between two looks at a picture that is waited for: a look at a whole screen costs more than a drawing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a desktop's server tells of it. `name` and `uuid` are empty where it tells none; `width` and `height` are
    pixels, 0 while nothing is shown. `channels` are names with numbers, such as ``display-0``."""

    name: str
    uuid: str
    channels: tuple[str, ...]
    width: int
    height: int
    absolute_mouse: bool
    agent: bool
    received_bytes: int
    sent_bytes: int
    drawings: int
    pictures: dict[str, int]


class Desktop:
    """Made by `connect`. Coordinates are pixels from the upper left corner; times are seconds.

    Whatever is asked of a desktop whose connection has ended raises the error that it ended with: Unavailable when the
    server closed it, RemoteProtocolError when it said what is not SPICE. All of it runs in one event loop.
    """

    def __init__(self, main: Channel, first: MainInit, screen: Screen | Outline) -> None:
        self._main = main
        self._screen = screen
        self._changes = Changes()
        self._sharing = Sharing(self._changes, self._send_agents)
        self._inputs: Inputs | None = None
        self._sound = Sound(self._changes, first.multi_media_time_ms)
        self._links = [main]
        self._mouse_mode = first.current_mouse_mode
        self._mouse_modes = first.supported_mouse_modes
        self._name = self._uuid = ""
        self._channels: tuple[tuple[int, int], ...] = ()
        if first.agent_connected:
            self._sharing.agent.connect(first.agent_tokens)

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
    def info(self) -> Info:
        """What is known of it now."""
        width, height = self._screen.size or (0, 0)
        return Info(
            name=self._name,
            uuid=self._uuid,
            channels=tuple(f"{channel_name(kind)}-{number}" for kind, number in self._channels),
            width=width,
            height=height,
            absolute_mouse=self._mouse_mode == MouseMode.CLIENT,
            agent=self._sharing.agent.connected,
            received_bytes=sum(link.received_bytes for link in self._links),
            sent_bytes=sum(link.sent_bytes for link in self._links),
            drawings=self.drawings,
            pictures=dict(self._screen.used),
        )

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

    # Keys and mouse

    async def type(self, text: str, *, pause_s: float = PAUSE_S) -> None:
        """Type a text on a keyboard of the United States; line ends are Enter. `pause_s` is between two keys.

        Raises InvalidInput for a character that no key makes; nothing was typed then.
        """
        await self._input.type(text, pause_s=pause_s)

    async def press(self, *chords: str, pause_s: float = PAUSE_S) -> None:
        """Press and release keys: ``press("ctrl+alt+t")``, ``press("down", "down", "enter")``. Raises InvalidInput."""
        await self._input.press(*chords, pause_s=pause_s)

    async def move(self, x: int, y: int) -> None:
        """Put the pointer there. Raises Conflict where the mouse takes no positions (`Info.absolute_mouse`)."""
        await self._input.move(x, y)

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
            await self._input.move(x, y)
        for _ in range(times):
            async with self._input.pressed(button):
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(PAUSE_S)

    async def drag(self, start: tuple[int, int], end: tuple[int, int], *, steps: int = 10) -> None:
        """Hold the left button from `start` to `end`, and go there in some steps."""
        await self._input.move(*start)
        async with self._input.pressed(MouseButton.LEFT):
            for step in range(1, steps + 1):
                x, y = (round(a + (b - a) * step / steps) for a, b in zip(start, end, strict=True))
                await self._input.move(x, y)
                await asyncio.sleep(PAUSE_S)

    async def scroll(self, lines: int) -> None:
        """Turn the wheel: down by so many notches, up when it is negative."""
        await self.click(button=MouseButton.DOWN if lines > 0 else MouseButton.UP, times=abs(lines))

    # What goes over the desktop's agent

    async def wait_for_agent(self, *, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the desktop's agent is there, by which text and files go. Raises DeadlinePassed."""
        await self._until(lambda: self._sharing.agent.ready, "The agent's coming", timeout_s)

    async def set_clipboard(self, text: str) -> None:
        """Have `text` on the desktop's clipboard; the desktop fetches it when somebody pastes, while we are connected.

        Raises Conflict without an agent, Refused where the desktop's policy forbids all copying.
        """
        await self._sharing.offer(text)

    async def wait_for_paste(self, *, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the desktop has fetched what `set_clipboard` gave it, because somebody pastes.

        Raises DeadlinePassed when nobody does, Conflict when something else was copied there or the agent goes.
        """
        await self._sharing.pasted(timeout_s=timeout_s)

    async def clipboard(self, *, timeout_s: float = TIMEOUT_S) -> str:
        """The text on the desktop's clipboard; waits until there is some.

        Raises Conflict without an agent, DeadlinePassed when no text comes, Refused when it is not given.
        """
        return await self._sharing.text(timeout_s=timeout_s)

    async def send_file(
        self,
        path: str | Path,
        on_progress: Callable[[int, int], None] = lambda _sent, _size: None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Send a file, and wait until the desktop has stored it: where its agent puts files, such as Downloads.

        `on_progress` is told how many bytes were sent and how many there are. `timeout_s` is for each piece, not for
        all of it. Whoever is cancelled in here cancels the transfer at the desktop too.

        Raises InvalidInput for what is no file, Conflict without an agent or somebody signed in, Refused where the
        policy or the desktop says no, OutOfSpace, Unavailable when the agent goes, HostError when the file can't be
        stored, DeadlinePassed when the desktop takes nothing more.
        """
        await self._sharing.send_file(Path(path), on_progress, timeout_s=timeout_s)

    # Sound

    def sound(self) -> AsyncIterator[SoundBlock]:
        """What the desktop plays from now on, in blocks as they come; waits while it plays nothing.

        Blocks are kept for some twenty seconds for who is slow to ask for them. Raises Conflict where `connect` was not
        told to follow sound, and what the connection ends with.
        """
        return self._sound.speakers.blocks()

    @property
    def volumes(self) -> tuple[float, ...]:
        """What the desktop's mixer is set to, 0 to 1 for each channel: sound comes without it. Zeros when it is muted,
        empty while it has not said so. Raises Conflict, as `sound` does."""
        return self._sound.speakers.volumes

    async def wait_for_microphone(self, *, timeout_s: float = TIMEOUT_S) -> SoundFormat:
        """Wait until something on the desktop listens to its microphone; channels and rate that it wants.

        Raises DeadlinePassed, and Conflict where `connect` was not told to be the microphone.
        """
        return await self._sound.microphone.wanted(timeout_s=timeout_s)

    async def speak(self, samples: Samples) -> None:
        """Let the desktop's microphone hear `samples`: moments × channels of int16, in the format that it wants.

        It takes as long as the sound does. Raises Conflict while nothing listens, InvalidInput for another shape.
        """
        await self._sound.microphone.speak(samples)

    # What a connection does

    async def begin(self, messages: AsyncIterator[Message]) -> None:
        """Follow the main channel until its end; `messages` go on behind MAIN_INIT."""
        await self._follow(messages, self._on_main)

    async def channels(self, *, timeout_s: float) -> tuple[tuple[int, int], ...]:
        """Ask for the channels; their types and numbers."""
        await self._main.send(MainClient.ATTACH_CHANNELS, Empty())
        await self._want_positions()
        await self._send_agents()
        await self._until(lambda: bool(self._channels), "The telling of the channels", timeout_s)
        return self._channels

    async def show(self, display: Channel) -> None:
        """Follow a display channel until its end."""
        self._links.append(display)
        await self._follow(display.messages(), self._on_display)

    async def point(self, cursor: Channel) -> None:
        """Follow a cursor channel until its end."""
        self._links.append(cursor)
        await self._follow(cursor.messages(), self._on_cursor)

    def take_input(self, inputs: Channel, *, display_id: int) -> None:
        """Keys and the mouse go there from now on."""
        self._links.append(inputs)
        self._inputs = Inputs(inputs, mode=lambda: self._mouse_mode, display=display_id)

    async def hear(self, inputs: Channel) -> None:
        """Follow an inputs channel until its end."""
        await self._follow(inputs.messages(), self._on_inputs)

    def listen(self, playback: Channel) -> Coroutine[None, None, None]:
        """Have the desktop's sound; what is returned follows the playback channel until its end."""
        self._links.append(playback)
        return self._follow(playback.messages(), self._sound.take_playback().hear)

    def attend(self, record: Channel) -> Coroutine[None, None, None]:
        """Be the desktop's microphone; what is returned follows the record channel until its end."""
        self._links.append(record)
        return self._follow(record.messages(), self._sound.take_record(record).hear)

    @property
    def _input(self) -> Inputs:
        self._changes.check()
        if self._inputs is None:
            raise Conflict("This connection is for looking only.")
        return self._inputs

    async def _until(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        await self._changes.until(condition, what=what, timeout_s=timeout_s)

    async def _picture_after(self, drawings: int, timeout_s: float) -> None:
        await self._until(lambda: self._screen.complete and self.drawings > drawings, "Another drawing", timeout_s)

    async def _send_agents(self) -> None:
        for number, record in self._sharing.agent.outgoing():
            await self._main.send(number, record)

    async def _follow(self, messages: AsyncIterator[Message], handle: Callable[[Message], Awaitable[None]]) -> None:
        """What a link says, until it ends, of which everyone who waits is told."""
        try:
            async for message in messages:
                if message.type == BaseServer.DISCONNECTING:
                    raise Unavailable("The server ends this connection.")
                await handle(message)
        except (RemoteProtocolError, Unavailable) as exc:
            self._changes.end(exc)

    async def _on_main(self, message: Message) -> None:
        record = MAIN_FROM_SERVER.decode(message.type, message.body)
        match record:
            case ChannelsList():
                self._channels = tuple((channel.type, channel.id) for channel in record.channels)
            case MouseModeState():
                self._mouse_mode, self._mouse_modes = record.current, record.supported
                await self._want_positions()
            case MultiMediaTime():
                self._sound.set_clock(record.time_ms)
            case ServerName():
                self._name = bytes(record.name).rstrip(b"\0").decode(errors="replace")
            case ServerUuid():
                self._uuid = bytes(record.uuid).hex()
            case AgentTokens() if message.type == MainServer.AGENT_CONNECTED_TOKENS:
                self._sharing.agent.connect(record.tokens)
            case AgentTokens():
                self._sharing.agent.granted(record.tokens)
            case Data() if message.type == MainServer.AGENT_DATA:
                self._sharing.hear(message.body)
            case _ if message.type == MainServer.AGENT_DISCONNECTED:
                self._sharing.agent.disconnect()
            case _:
                return
        await self._send_agents()
        self._changes.tell()

    async def _on_display(self, message: Message) -> None:
        if self._screen.display(message.type, message.body):
            self._changes.tell()

    async def _on_cursor(self, message: Message) -> None:
        self._screen.cursor(message.type, message.body)

    async def _on_inputs(self, message: Message) -> None:
        """Locks that shine, and acknowledgements of motions."""

    async def _want_positions(self) -> None:
        if self._mouse_mode == MouseMode.SERVER and self._mouse_modes & MouseMode.CLIENT:
            await self._main.send(MainClient.MOUSE_MODE_REQUEST, MouseModeRequest(mode=MouseMode.CLIENT))
