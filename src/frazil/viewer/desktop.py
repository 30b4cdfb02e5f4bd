"""A desktop that is looked at, typed on and clicked on by a program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from frazil.model.errors import Conflict, FrazilError, InvalidInput
from frazil.spice.base_messages import Data, Empty, WaitForChannels
from frazil.spice.channels import ChannelType, channel_name
from frazil.spice.display_channel import DisplayServer
from frazil.spice.framing import Message
from frazil.spice.main_channel import (
    MAIN_FROM_SERVER,
    AgentTokens,
    ChannelsList,
    MainClient,
    MainInit,
    MainServer,
    MigrateBegin,
    MigrateBeginSeamless,
    MouseMode,
    MouseModeRequest,
    MouseModeState,
    MultiMediaTime,
    ServerName,
    ServerUuid,
    SwitchHost,
)
from frazil.spice.pictures.caches import NotInCache
from frazil.spice.pictures.glz import MissingPicture
from frazil.spice.records import decode
from frazil.spice.sound_blocks import Samples, SoundBlock, SoundFormat
from frazil.viewer.channel import Channel
from frazil.viewer.display import TIMEOUT_S, Display
from frazil.viewer.inputs import PAUSE_S, Inputs
from frazil.viewer.layout import SIZE_MAX, resized
from frazil.viewer.line import Greet, Line
from frazil.viewer.links import Links
from frazil.viewer.outline import Outline
from frazil.viewer.route import Route
from frazil.viewer.screen import Screen, session_pictures
from frazil.viewer.screenshot import Box
from frazil.viewer.sharing import Sharing
from frazil.viewer.sound import Sound
from frazil.viewer.waiting import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a desktop's server tells of it. `name` and `uuid` are empty where it tells none; `width` and `height` are
    pixels, 0 while nothing is shown. `channels` are names with numbers, such as ``display-0``. `pictures` and
    `video_frames` count what was shown, by its kind (``quic``) or codec (``vp8``)."""

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
    video_frames: dict[str, int]


class Desktop(Display):
    """Made by `connect`: the display that it was told, with what all `displays` have in common: keys, agent and sound.

    Whatever is asked of a desktop whose connection has ended raises the error that it ended with: Unavailable when the
    server closed it, RemoteProtocolError when it said what is not SPICE, Refused when the desktop went where it is not
    followed. All of it runs in one event loop.
    """

    def __init__(
        self,
        main: Channel,
        first: MainInit,
        route: Route,
        screen: Screen | Outline,
        *,
        number: int,
        caps: Iterable[int],
    ) -> None:
        """`caps` are those that the main channel was linked with."""
        super().__init__(number, screen, Changes(), self._taken_inputs)
        self._main = Line(main, 0, self._changes, caps=caps)
        self._links = Links(route, self._changes, session_id=first.session_id, renew=self._renew)
        self._links.add(self._main)
        self._displays: dict[int, Display] = {number: self}
        self._sharing = Sharing(self._changes, self._send_agents)
        self._inputs: Inputs | None = None
        self._sound = Sound(self._changes, first.multi_media_time_ms)
        self._name = self._uuid = ""
        self._channels: tuple[tuple[int, int], ...] = ()
        self._mouse_mode = self._mouse_modes = 0
        self._begin(first)

    @property
    def displays(self) -> tuple[Display, ...]:
        """All displays that are followed, by their numbers; this one is among them."""
        return tuple(display for _, display in sorted(self._displays.items()))

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
            received_bytes=self._links.received_bytes,
            sent_bytes=self._links.sent_bytes,
            drawings=self.drawings,
            pictures=dict(self._screen.used),
            video_frames=dict(self._screen.video_frames),
        )

    # Keys

    async def type(self, text: str, *, pause_s: float = PAUSE_S) -> None:
        """Type a text on a keyboard of the United States; line ends are Enter. `pause_s` is between two keys.

        Raises InvalidInput for a character that no key makes; nothing was typed then.
        """
        await self._input.type(text, pause_s=pause_s)

    async def press(self, *chords: str, pause_s: float = PAUSE_S) -> None:
        """Press and release keys: ``press("ctrl+alt+t")``, ``press("down", "down", "enter")``. Raises InvalidInput."""
        await self._input.press(*chords, pause_s=pause_s)

    # What goes over the desktop's agent

    async def resize(self, width: int, height: int, *, display: int | None = None, monitor: int = 0) -> None:
        """Ask for another size of one display (default: this one), in pixels; several displays are put in a row.

        A `monitor` is one of `Display.monitors`, or the next one, which is turned on. The desktop may choose another
        size or none: wait for the picture that comes (``wait_until(lambda seen: seen.width == 1024)``).

        Raises Conflict without an agent that can do so, or when a display of the desktop is not followed; InvalidInput.
        """
        if not (0 < width <= SIZE_MAX and 0 < height <= SIZE_MAX):
            raise InvalidInput(f"A screen can't have {width} x {height} pixels.", field="width")
        number = self.number if display is None else display
        missing = sorted(
            one for kind, one in self._channels if kind == ChannelType.DISPLAY and one not in self._displays
        )
        if missing:
            raise Conflict(
                f"Display {missing[0]} is not followed: what is not named would be turned off.",
                remedy="Give connect all_displays=True.",
            )
        layout = [
            (one.number, index, (box.right - box.left, box.bottom - box.top))
            for one in self.displays
            for index, box in enumerate(one.monitors or (Box(0, 0, 0, 0),))
        ]
        await self._sharing.arrange(resized(layout, (number, monitor), (width, height)))

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

    def begin(self) -> Coroutine[None, None, None]:
        """What is returned follows the main channel, behind MAIN_INIT, until its end."""
        return self._links.follow(self._main, self._on_main)

    async def channels(self, *, timeout_s: float) -> tuple[tuple[int, int], ...]:
        """Ask for the channels; their types and numbers."""
        await self._attach()
        await self._until(lambda: bool(self._channels), "The telling of the channels", timeout_s)
        return self._channels

    def line(self, channel: Channel, number: int = 0, *, caps: Iterable[int] = (), greet: Greet | None = None) -> Line:
        """A channel that was linked with these capabilities, for the methods below."""
        made = Line(channel, number, self._changes, caps=caps, greet=greet)
        self._links.add(made)
        return made

    def add_display(self, number: int, screen: Screen) -> None:
        """Another one, that `show` follows."""
        self._displays[number] = Display(number, screen, self._changes, self._taken_inputs)

    def show(self, line: Line) -> Coroutine[None, None, None]:
        """What is returned follows a display channel until its end."""
        return self._links.follow(line, partial(self._on_display, self._displays[line.number]))

    def point(self, line: Line) -> Coroutine[None, None, None]:
        """What is returned follows a display's cursor channel until its end."""
        return self._links.follow(line, partial(self._on_cursor, self._displays[line.number]))

    def hear(self, line: Line) -> Coroutine[None, None, None]:
        """Keys and the mouse go there from now on; what is returned follows the inputs channel until its end."""
        self._inputs = Inputs(line, mode=lambda: self._mouse_mode, agent=lambda: self._sharing.agent.connected)
        return self._links.follow(line, self._on_inputs)

    def listen(self, line: Line) -> Coroutine[None, None, None]:
        """Have the desktop's sound; what is returned follows the playback channel until its end."""
        speakers = self._sound.take_playback()
        line.renew = speakers.renew
        return self._links.follow(line, speakers.hear)

    def attend(self, line: Line) -> Coroutine[None, None, None]:
        """Be the desktop's microphone; what is returned follows the record channel until its end."""
        microphone = self._sound.take_record(line)
        line.renew = microphone.renew
        return self._links.follow(line, microphone.hear)

    async def close(self) -> None:
        """Send what waits to be sent, and close all links."""
        await self._links.close()

    def _taken_inputs(self) -> Inputs:
        if self._inputs is None:
            raise Conflict("This connection is for looking only.")
        return self._inputs

    async def _send_agents(self) -> None:
        for number, record in self._sharing.agent.outgoing():
            await self._main.send(number, record)

    def _begin(self, first: MainInit) -> None:
        """What a server says of a session that begins."""
        self._mouse_mode, self._mouse_modes = first.current_mouse_mode, first.supported_mouse_modes
        self._sound.set_clock(first.multi_media_time_ms)
        if first.agent_connected:
            self._sharing.agent.connect(first.agent_tokens)

    def _renew(self) -> None:
        """The desktop is at another server, which will say everything again."""
        pictures = session_pictures()
        for display in self.displays:
            display.begin_anew(pictures)
        self._sharing.agent.disconnect()

    async def _attach(self) -> None:
        await self._main.send(MainClient.ATTACH_CHANNELS, Empty())
        await self._want_positions()
        await self._send_agents()

    async def _on_main(self, message: Message) -> None:
        record = MAIN_FROM_SERVER.decode(message.type, message.body)
        match record:
            case MainInit():  # of a server that the desktop has moved to
                self._links.session_id = record.session_id
                self._begin(record)
                await self._attach()
                await self._links.rejoin()
            case MigrateBegin() | MigrateBeginSeamless():
                await self._main.send(await self._links.prepare(record), Empty())
            case SwitchHost():
                await self._switch(record)
            case _ if message.type == MainServer.MIGRATE_END:
                await self._links.go_over()
            case _ if message.type == MainServer.MIGRATE_CANCEL:
                self._links.cancel()
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

    async def _switch(self, told: SwitchHost) -> None:
        try:
            await self._links.switch(told)
        except FrazilError as exc:
            self._changes.end(exc)

    async def _on_display(self, display: Display, message: Message) -> None:
        if message.type == DisplayServer.INVAL_ALL_PIXMAPS:
            await self._links.order.reached(decode(WaitForChannels, message.body))
        while True:
            try:
                seen = display.draw(message)
                break
            except (MissingPicture, NotInCache):
                if not await self._links.order.another(display.number):
                    raise
        if seen:
            self._changes.tell()

    async def _on_cursor(self, display: Display, message: Message) -> None:
        display.draw_pointer(message)

    async def _on_inputs(self, message: Message) -> None:
        """Locks that shine, and acknowledgements of motions."""

    async def _want_positions(self) -> None:
        if self._mouse_mode == MouseMode.SERVER and self._mouse_modes & MouseMode.CLIENT:
            await self._main.send(MainClient.MOUSE_MODE_REQUEST, MouseModeRequest(mode=MouseMode.CLIENT))
