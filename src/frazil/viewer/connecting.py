"""How a desktop is opened: its main channel first, then those that are looked at and typed on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from frazil.client import DeadlinePassed
from frazil.model.errors import InvalidInput, NotFound, RemoteProtocolError
from frazil.spice.capabilities import has
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import (
    DisplayCap,
    DisplayClient,
    PreferredCompression,
    PreferredVideoCodecs,
    VideoCodec,
)
from frazil.spice.framing import Message
from frazil.spice.image_records import ImageCompression
from frazil.spice.main_channel import MainCap, MainInit, MainServer
from frazil.spice.pictures.video import decodable
from frazil.spice.records import decode
from frazil.spice.sound import playback_caps, record_caps
from frazil.viewer import address, screen
from frazil.viewer.address import Address
from frazil.viewer.channel import Channel
from frazil.viewer.desktop import Desktop
from frazil.viewer.display import TIMEOUT_S
from frazil.viewer.line import Greet, Line
from frazil.viewer.outline import Outline
from frazil.viewer.route import Follow, Route
from frazil.viewer.screen import Screen

Where: TypeAlias = Address | str | Path | Callable[[], socket.socket]
MAIN_CAPS = (MainCap.NAME_AND_UUID, MainCap.AGENT_CONNECTED_TOKENS)
MOVING_CAPS = (MainCap.SEMI_SEAMLESS_MIGRATE, MainCap.SEAMLESS_MIGRATE)
"""For servers whose desktop may be followed."""
DISPLAY_CAPS = (
    DisplayCap.SIZED_STREAM,
    DisplayCap.MONITORS_CONFIG,
    DisplayCap.COMPOSITE,
    DisplayCap.A8_SURFACE,
    DisplayCap.LZ4_COMPRESSION,
    DisplayCap.PREF_COMPRESSION,
    DisplayCap.MULTI_CODEC,
)
CODEC_CAPS = {
    VideoCodec.MJPEG: DisplayCap.CODEC_MJPEG,
    VideoCodec.VP8: DisplayCap.CODEC_VP8,
    VideoCodec.H264: DisplayCap.CODEC_H264,
    VideoCodec.VP9: DisplayCap.CODEC_VP9,
    VideoCodec.H265: DisplayCap.CODEC_H265,
}


@asynccontextmanager
async def connect(
    where: Where,
    *,
    password: str | None = None,
    display: int = 0,
    all_displays: bool = False,
    compression: ImageCompression | None = None,
    video: Sequence[VideoCodec] = (),
    outline: Outline | None = None,
    sound: bool = False,
    microphone: bool = False,
    follow: Follow | None = None,
    timeout_s: float = TIMEOUT_S,
) -> AsyncIterator[Desktop]:
    """Look at a desktop while the block runs.

    `where` is a ``.vv`` file's name, an address (``spice://HOST:PORT``, ``spice+tls://HOST:PORT``,
    ``spice+unix:///PATH``, or an `Address`), or a function that gives another connected socket each time it is called:
    every channel takes one. `password` goes before what the address has. `display` is the number of the display
    channel that the desktop is; with `all_displays` the others are followed too (`Desktop.displays`). `compression` of
    pictures is asked for before the first one, and so are codecs of `video`, the best one first, of a server that takes
    such wishes. With an `outline` no picture is decoded: it is told where the desktop draws. What the desktop plays is
    followed where `sound` is set, and we are its microphone where `microphone` is.

    A desktop that moves to another server is followed where `follow` says yes: it is asked for each address that the
    server names, and gets the password too. Without it the connection ends with Refused then.

    A server shows its desktop to one client: whoever looked at it before is put out.

    Raises InvalidInput for an address that is none, `video` that can't be decoded here or an outline of several
    displays, Unavailable where nothing answers, Refused for a wrong password or certificate, NotFound for a display or
    sound that is not there, DeadlinePassed after `timeout_s`, and RemoteProtocolError for what is not SPICE.
    """
    _check_video(video)
    if outline is not None and all_displays:
        raise InvalidInput("An outline is of one display.", field="outline")
    found = address.of(where) if isinstance(where, (str, Path)) else where
    if password is None:
        password = found.password if isinstance(found, Address) else ""
    opening = _Opening(Route(found, password, follow), outline)
    failure: Exception | None = None
    # A task of the group that fails has a fault of ours. What is raised in the block goes on as it is, not in a group.
    async with opening.links, asyncio.TaskGroup() as tasks:
        following: list[asyncio.Task[None]] = []
        try:
            try:
                async with asyncio.timeout(timeout_s):
                    desktop = await opening.open(
                        tasks,
                        following,
                        display=display,
                        all_displays=all_displays,
                        wishes=_Wishes(compression, video),
                        timeout_s=2 * timeout_s,
                    )
                    if sound:
                        line = await opening.enter_sound(desktop, ChannelType.PLAYBACK, playback_caps())
                        following.append(tasks.create_task(desktop.listen(line)))
                    if microphone:
                        line = await opening.enter_sound(desktop, ChannelType.RECORD, record_caps())
                        following.append(tasks.create_task(desktop.attend(line)))
            except TimeoutError as exc:
                raise DeadlinePassed(f"The desktop has not opened within {timeout_s:g} s.") from exc
            yield desktop
        except Exception as exc:  # noqa: BLE001 - raised again below
            failure = exc
        finally:
            for task in following:
                task.cancel()
    if failure is not None:
        raise failure


@dataclass(frozen=True, slots=True)
class _Wishes:
    """How pictures and video should come."""

    compression: ImageCompression | None
    video: Sequence[VideoCodec]

    async def say(self, display: Channel) -> None:
        """What a display channel is told first."""
        if self.compression is not None:
            await display.send(DisplayClient.PREFERRED_COMPRESSION, PreferredCompression(compression=self.compression))
        if self.video and has(display.server_caps, DisplayCap.PREF_VIDEO_CODEC_TYPE):
            await display.send(DisplayClient.PREFERRED_VIDEO_CODECS, PreferredVideoCodecs(codecs=tuple(self.video)))
        await display.send(DisplayClient.INIT, screen.first_message())


class _Opening:
    """`links` closes them all."""

    def __init__(self, route: Route, outline: Outline | None) -> None:
        self.links = AsyncExitStack()
        self._route = route
        self._outline = outline
        self._pictures = screen.session_pictures()
        self._session = 0
        self._channels: tuple[tuple[int, int], ...] = ()

    async def open(
        self,
        tasks: asyncio.TaskGroup,
        following: list[asyncio.Task[None]],
        *,
        display: int,
        all_displays: bool,
        wishes: _Wishes,
        timeout_s: float,
    ) -> Desktop:
        """Tasks that follow the links are in `following`."""
        caps = (*MAIN_CAPS, *(MOVING_CAPS if self._route.follows else ()))
        main = await self._link(ChannelType.MAIN, 0, caps)
        first = await _init(main.messages())
        self._session = first.session_id
        shown = self._outline or Screen(self._pictures)
        desktop = Desktop(main, first, self._route, shown, number=display, caps=caps)
        self.links.push_async_callback(desktop.close)
        following.append(tasks.create_task(desktop.begin()))  # from now on pings are answered
        channels = self._channels = await desktop.channels(timeout_s=timeout_s)
        displays = sorted(number for kind, number in channels if kind == ChannelType.DISPLAY)
        if display not in displays:
            there = ", ".join(str(number) for number in displays)
            raise NotFound(f"The desktop has no display {display}; it has {there or 'none'}.")
        for number in displays if all_displays else [display]:
            if number != display:
                desktop.add_display(number, Screen(self._pictures))
            line = await self._enter(desktop, ChannelType.DISPLAY, number, display_caps(), greet=wishes.say)
            following.append(tasks.create_task(desktop.show(line)))
            if (ChannelType.CURSOR, number) in channels:
                line = await self._enter(desktop, ChannelType.CURSOR, number)
                following.append(tasks.create_task(desktop.point(line)))
        if (ChannelType.INPUTS, 0) in channels:
            line = await self._enter(desktop, ChannelType.INPUTS, 0)
            following.append(tasks.create_task(desktop.hear(line)))
        return desktop

    async def enter_sound(self, desktop: Desktop, kind: ChannelType, caps: Iterable[int]) -> Line:
        """A playback or record channel. Raises NotFound."""
        if (kind, 0) not in self._channels:
            raise NotFound(
                f"The desktop has no {'sound' if kind is ChannelType.PLAYBACK else 'microphone'}.",
                remedy="It has to have a device for it.",
            )
        return await self._enter(desktop, kind, 0, caps)

    async def _enter(
        self, desktop: Desktop, kind: ChannelType, number: int, caps: Iterable[int] = (), *, greet: Greet | None = None
    ) -> Line:
        channel = await self._link(kind, number, caps)
        if greet is not None:
            await greet(channel)
        return desktop.line(channel, number, caps=caps, greet=greet)

    async def _link(self, kind: ChannelType, number: int, caps: Iterable[int]) -> Channel:
        made = await self._route.enter(kind, number, connection_id=self._session, caps=caps)
        self.links.push_async_callback(made.finish)  # what was typed last still goes out
        return made


def display_caps() -> tuple[DisplayCap, ...]:
    """What we can do on a display channel; codecs of video as far as they can be decoded here."""
    return (*DISPLAY_CAPS, *(CODEC_CAPS[codec] for codec in decodable()))


def _check_video(wanted: Sequence[VideoCodec]) -> None:
    missing = [codec.name for codec in wanted if codec not in decodable()]
    if missing:
        raise InvalidInput(
            f"Video of {', '.join(missing)} can't be decoded here.",
            field="video",
            remedy="Install PyAV: pip install 'av>=18'.",
        )


async def _init(messages: AsyncIterator[Message]) -> MainInit:
    async for message in messages:
        if message.type == MainServer.INIT:
            return decode(MainInit, message.body)
    raise RemoteProtocolError("The main channel does not say who it is.")
