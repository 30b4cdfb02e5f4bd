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
from frazil.viewer import address, dialing, screen
from frazil.viewer.address import Address
from frazil.viewer.channel import Channel
from frazil.viewer.desktop import Desktop
from frazil.viewer.dialing import Dial
from frazil.viewer.display import TIMEOUT_S
from frazil.viewer.outline import Outline
from frazil.viewer.screen import Screen

Where: TypeAlias = Address | str | Path | Callable[[], socket.socket]
CLOSING_S = 1.0
MAIN_CAPS = (MainCap.NAME_AND_UUID, MainCap.AGENT_CONNECTED_TOKENS)
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
    opening = _Opening(dialing.dial_of(found), password, outline)
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
                        link = await opening.enter_sound(ChannelType.PLAYBACK, playback_caps())
                        following.append(tasks.create_task(desktop.listen(link)))
                    if microphone:
                        link = await opening.enter_sound(ChannelType.RECORD, record_caps())
                        following.append(tasks.create_task(desktop.attend(link)))
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
        if self.compression is not None:
            await display.send(DisplayClient.PREFERRED_COMPRESSION, PreferredCompression(compression=self.compression))
        if self.video and has(display.server_caps, DisplayCap.PREF_VIDEO_CODEC_TYPE):
            await display.send(DisplayClient.PREFERRED_VIDEO_CODECS, PreferredVideoCodecs(codecs=tuple(self.video)))


class _Opening:
    """`links` closes them all."""

    def __init__(self, dial: Dial, password: str, outline: Outline | None) -> None:
        self.links = AsyncExitStack()
        self._dial = dial
        self._password = password
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
        main = await self._enter(ChannelType.MAIN, 0, MAIN_CAPS)
        messages = main.messages()
        first = await _init(messages)
        self._session = first.session_id
        desktop = Desktop(main, first, self._outline or Screen(self._pictures), number=display)
        following.append(tasks.create_task(desktop.begin(messages)))  # from now on pings are answered
        channels = self._channels = await desktop.channels(timeout_s=timeout_s)
        displays = sorted(number for kind, number in channels if kind == ChannelType.DISPLAY)
        if display not in displays:
            there = ", ".join(str(number) for number in displays)
            raise NotFound(f"The desktop has no display {display}; it has {there or 'none'}.")
        for number in displays if all_displays else [display]:
            if number != display:
                desktop.add_display(number, Screen(self._pictures))
            link = await self._enter(ChannelType.DISPLAY, number, display_caps())
            await wishes.say(link)
            await link.send(DisplayClient.INIT, screen.first_message())
            following.append(tasks.create_task(desktop.show(number, link)))
            if (ChannelType.CURSOR, number) in channels:
                link = await self._enter(ChannelType.CURSOR, number, ())
                following.append(tasks.create_task(desktop.point(number, link)))
        if (ChannelType.INPUTS, 0) in channels:
            link = await self._enter(ChannelType.INPUTS, 0, ())
            desktop.take_input(link)
            following.append(tasks.create_task(desktop.hear(link)))
        return desktop

    async def enter_sound(self, kind: ChannelType, caps: Iterable[int]) -> Channel:
        """A playback or record channel. Raises NotFound."""
        if (kind, 0) not in self._channels:
            raise NotFound(
                f"The desktop has no {'sound' if kind is ChannelType.PLAYBACK else 'microphone'}.",
                remedy="It has to have a device for it.",
            )
        return await self._enter(kind, 0, caps)

    async def _enter(self, kind: ChannelType, number: int, caps: Iterable[int]) -> Channel:
        made = await Channel.enter(
            self._dial, kind, number=number, connection_id=self._session, password=self._password, caps=caps
        )
        self.links.push_async_callback(_close, made)
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


async def _close(link: Channel) -> None:
    """What was typed last still goes out."""
    try:
        async with asyncio.timeout(CLOSING_S):
            await link.finish()
    except TimeoutError:
        link.close()
