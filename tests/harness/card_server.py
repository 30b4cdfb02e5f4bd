"""spice-server as a library in this process, with cards that have no guest. Used from its own loop's thread only."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from frazil.spice.agent_messages import MonitorsConfig, MouseState
from frazil.spice.cursor_channel import CursorShape
from frazil.spice.display_channel import SurfaceFormat
from frazil.spice.image_records import ImageCompression
from frazil.spice.sound_blocks import Samples
from tests.harness.card_inputs import Agent, Keyboard
from tests.harness.card_memory import BYTES_A_PIXEL, CURSOR, Memory
from tests.harness.card_moving import NO_PORT, Moving
from tests.harness.card_sound import Microphone, Speaker
from tests.harness.spice_library import (
    CORE,
    LIBRARY,
    QXL,
    Base,
    CommandExt,
    Core,
    Loop,
    MemSlot,
    QxlInstance,
    QxlInterface,
    SurfaceCreate,
)

if TYPE_CHECKING:  # a card needs no viewer
    from frazil.viewer import Box

ALWAYS, NEVER = 2, 3
"""`spice_wan_compression_t`."""
VIDEO_OFF, VIDEO_ALL = 1, 2


@dataclass(frozen=True, kw_only=True)
class CardSettings:
    """What the server is told before it starts."""

    width: int = 256
    height: int = 192
    format: SurfaceFormat = SurfaceFormat.XRGB32
    compression: ImageCompression = ImageCompression.OFF
    jpeg: int = NEVER
    zlib: int = NEVER
    video: int = VIDEO_OFF
    codecs: str = ""
    """Of video, like ``gstreamer:vp8;spice:mjpeg``; without it the server's own choice."""
    sound_hz: int = 0
    """A sound card of that rate; none without it. The server codes only what has 48,000."""
    sound_coded: bool = True
    cards: int = 1
    """Equal ones; each is a display."""
    agent: bool = False
    seamless: bool = False
    """Whether clients may go over to another server, or come from one, with their state."""
    switches: bool = False
    """Whether clients are told of a move only when it is over: the server can do this or the other ways."""
    waits: bool = False
    """The machine does not run before it is told to, as one that comes from another host."""


class Server:
    """Each public method but `take` is one that the test can ask for."""

    def __init__(self, settings: CardSettings) -> None:
        self.loop = Loop()
        self._library = ctypes.CDLL(LIBRARY)
        self._keep: list[Any] = []
        call = self._library
        call.spice_server_new.restype = ctypes.c_void_p
        self._server = ctypes.c_void_p(call.spice_server_new())
        call.spice_server_set_noauth(self._server)
        call.spice_server_set_image_compression(self._server, int(settings.compression))
        call.spice_server_set_jpeg_compression(self._server, settings.jpeg)
        call.spice_server_set_zlib_glz_compression(self._server, settings.zlib)
        call.spice_server_set_streaming_video(self._server, settings.video)
        call.spice_server_set_playback_compression(self._server, settings.sound_coded)
        call.spice_server_set_seamless_migration(self._server, settings.seamless)
        if settings.codecs:
            assert call.spice_server_set_video_codecs(self._server, settings.codecs.encode()) != -1
        assert call.spice_server_init(self._server, ctypes.byref(self._core())) == 0
        self._cards = [_Card(self._library, self._server, settings, number) for number in range(settings.cards)]
        self._keyboard = Keyboard(self._library, self._server)
        self._moving = Moving(self._library, self._server, switches=settings.switches)
        self._agent = Agent(self._library, self._server) if settings.agent else None
        if settings.sound_hz:
            self._speaker = Speaker(self._library, self._server, self.loop, rate_hz=settings.sound_hz)
            self._microphone = Microphone(self._library, self._server, self.loop, rate_hz=settings.sound_hz)
        if not settings.waits:
            self.start()

    def _core(self) -> Core:
        core = Core()
        core.base = Base(b"core", b"test", 1, 3)
        for name, kind in CORE:
            action: Callable[..., Any] = getattr(self.loop, name, lambda *_: None)
            setattr(core, name, kind(action))
        self._keep.append(core)
        return core

    def draw(self, card: int, records: tuple[object, ...]) -> None:
        self._cards[card].draw(records)

    def point(self, card: int, x: int, y: int, shape: CursorShape) -> None:
        self._cards[card].point(x, y, shape)

    def screen(self, card: int) -> npt.NDArray[Any]:
        return self._cards[card].screen()

    def monitors(self, card: int, boxes: Sequence[Box]) -> None:
        self._cards[card].set_monitors(boxes)

    def keys(self) -> list[int]:
        return self._keyboard.codes

    def mouse(self) -> list[MouseState]:
        assert self._agent is not None
        return self._agent.mouse

    def arranged(self) -> list[MonitorsConfig]:
        assert self._agent is not None
        return self._agent.monitors

    def play(self, samples: Samples) -> None:
        self._speaker.play(samples)

    def record(self) -> None:
        self._microphone.start()

    def recorded(self) -> Samples:
        return self._microphone.heard()

    def start(self) -> None:
        self._library.spice_server_vm_start(self._server)

    def move(self, host: str, port: int) -> None:
        self._moving.begin(host, port, NO_PORT, "")

    def clients_linked(self) -> bool:
        return self._moving.linked

    def end_move(self, there: bool) -> None:
        self._moving.end(there=there)

    def switch_host(self, host: str, port: int) -> None:
        self._moving.switch(host, port, NO_PORT, "")

    def take(self, client: socket.socket) -> None:
        self._library.spice_server_add_client(self._server, client.detach(), 0)


class _Card:
    """A graphics card. The library's worker calls it from its own thread."""

    def __init__(self, library: ctypes.CDLL, server: ctypes.c_void_p, settings: CardSettings, number: int) -> None:
        self._settings = settings
        self._library = library
        self._memory = Memory(opaque=settings.video != VIDEO_OFF)
        self._commands: deque[tuple[int, int]] = deque()
        self._cursors: deque[int] = deque()
        self._interface = self._made_interface()
        self._instance = QxlInstance(ctypes.addressof(self._interface), number, None)
        assert library.spice_server_add_interface(server, ctypes.byref(self._instance)) == 0
        slot = MemSlot(0, 0, 0, 0, (1 << 64) - 1, 0, 0)
        library.spice_qxl_add_memslot(ctypes.byref(self._instance), ctypes.byref(slot))
        pixel_bytes = BYTES_A_PIXEL[settings.format]
        stride = settings.width * pixel_bytes
        self._pixels = ctypes.create_string_buffer(stride * settings.height)
        primary = SurfaceCreate(
            settings.width,
            settings.height,
            stride,
            settings.format,
            0,
            settings.agent,
            0,
            0,
            ctypes.addressof(self._pixels),
            0,
        )
        library.spice_qxl_create_primary_surface(ctypes.byref(self._instance), 0, ctypes.byref(primary))

    def _made_interface(self) -> QxlInterface:
        interface = QxlInterface()
        interface.base = Base(b"qxl", b"test", 3, 3)
        actions: dict[str, Callable[..., Any]] = {
            "get_init_info": self._get_init_info,
            "get_command": self._get_command,
            "req_cmd_notification": lambda _: not self._commands,
            "get_cursor_command": self._get_cursor_command,
            "req_cursor_notification": lambda _: not self._cursors,
            "flush_resources": lambda _: 0,
            "client_monitors_config": lambda *_: 0,
        }
        for name, kind in QXL:
            setattr(interface, name, kind(actions.get(name, lambda *_: None)))
        return interface

    @staticmethod
    def _get_init_info(_instance: int, info: Any) -> None:
        told = info.contents
        told.num_memslots_groups, told.num_memslots = 1, 1
        told.memslot_gen_bits, told.memslot_id_bits = 1, 1
        told.qxl_ram_size, told.internal_groupslot_id, told.n_surfaces = 0, 0, 64

    def _get_command(self, _instance: int, ext: Any) -> int:
        if not self._commands:
            return 0
        kind, address = self._commands.popleft()
        ext[0] = CommandExt(address, kind, 0, 0, 0)
        return 1

    def _get_cursor_command(self, _instance: int, ext: Any) -> int:
        if not self._cursors:
            return 0
        ext[0] = CommandExt(self._cursors.popleft(), CURSOR, 0, 0, 0)
        return 1

    def draw(self, records: tuple[object, ...]) -> None:
        for record in records:
            self._commands.append(self._memory.command(record))
        self._library.spice_qxl_wakeup(ctypes.byref(self._instance))

    def point(self, x: int, y: int, shape: CursorShape) -> None:
        self._cursors.append(self._memory.cursor(x, y, shape))
        self._library.spice_qxl_wakeup(ctypes.byref(self._instance))

    def set_monitors(self, boxes: Sequence[Box]) -> None:
        """Parts of the primary surface (`QXLMonitorsConfig`)."""
        heads = [
            struct.pack("<7I", number, 0, box.right - box.left, box.bottom - box.top, box.left, box.top, 0)
            for number, box in enumerate(boxes)
        ]
        told = self._memory.put(struct.pack("<HH", len(boxes), len(boxes)) + b"".join(heads))
        self._library.spice_qxl_monitors_config_async(
            ctypes.byref(self._instance), ctypes.c_uint64(told), 0, ctypes.c_uint64(0)
        )

    def screen(self) -> npt.NDArray[Any]:
        area = (ctypes.c_int32 * 4)(0, 0, self._settings.height, self._settings.width)
        self._library.spice_qxl_update_area(ctypes.byref(self._instance), 0, ctypes.byref(area), None, 0, 0)
        kind = {4: "<u4", 2: "<u2"}[BYTES_A_PIXEL[self._settings.format]]
        return np.frombuffer(bytes(self._pixels.raw), kind).reshape(self._settings.height, self._settings.width)
