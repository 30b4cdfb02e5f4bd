"""A graphics card for the real spice-server, without a machine around it: it draws what a test's records say.

spice-server is a library; QEMU is only one of its users. Here it runs in a process of its own with a card that has no
guest: the test says `draw` with a record of `frazil.spice.draw_records`, which becomes the same command in the card's
memory that a guest's driver would put there (spice-protocol `qxl_dev.h`). The server sends it to whoever is linked, and
also draws it itself: `screen` is what it has made of the primary surface. So each operation and each compression can be
had from the real server, whatever a driver of today makes use of.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from frazil.spice import draw_records as draws
from frazil.spice.cursor_channel import CursorShape
from frazil.spice.display_channel import SurfaceCreate, SurfaceDestroy, SurfaceFormat
from frazil.spice.geometry_records import Point, Rect, Transform
from frazil.spice.image_records import Bitmap, BitmapFlags, Image, ImageCompression, Palette, SurfaceImage

LIBRARY = "libspice-server.so.1"
DEADLINE_S = 60.0
ALWAYS, NEVER = 2, 3
"""`spice_wan_compression_t`."""
VIDEO_OFF, VIDEO_ALL = 1, 2
_DIRECT = 1
"""In a bitmap's flags: its data is one piece (`QXL_BITMAP_DIRECT`)."""
_BYTES_A_PIXEL = {
    SurfaceFormat.XRGB32: 4,
    SurfaceFormat.ARGB32: 4,
    SurfaceFormat.RGB555: 2,
    SurfaceFormat.RGB565: 2,
    SurfaceFormat.A8: 1,
}
_DRAW, _SURFACE, _CURSOR = 1, 5, 3
_DRAW_TYPES: dict[type, int] = {
    draws.DrawFill: 1,
    draws.DrawOpaque: 2,
    draws.DrawCopy: 3,
    draws.CopyBits: 4,
    draws.DrawBlend: 5,
    draws.DrawBlackness: 6,
    draws.DrawWhiteness: 7,
    draws.DrawInvers: 8,
    draws.DrawRop3: 9,
    draws.DrawStroke: 10,
    draws.DrawText: 11,
    draws.DrawTransparent: 12,
    draws.DrawAlphaBlend: 13,
    draws.DrawComposite: 14,
}


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


class Card:
    """The test's end of it."""

    def __init__(self, pipe: Connection, port: int) -> None:
        self._pipe = pipe
        self.port = port

    def _ask(self, *question: Any) -> Any:
        self._pipe.send(question)
        assert self._pipe.poll(DEADLINE_S), "the card answers"
        return self._pipe.recv()

    def draw(self, *records: object) -> None:
        """Put drawings, surfaces made and surfaces destroyed into the card's ring; returns when they are there."""
        self._ask("draw", records)

    def screen(self) -> npt.NDArray[Any]:
        """What the server has drawn itself on the primary surface after all that was put into the ring."""
        raw: npt.NDArray[Any] = self._ask("screen")
        return raw

    def point(self, x: int, y: int, shape: CursorShape) -> None:
        """Give the pointer a shape and a place."""
        self._ask("point", x, y, shape)


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


class Memory:
    """What the card's commands point to. Nothing is freed before the process ends.

    `opaque`: drawings are said to hide what is below, so that the server need not send what was hidden at once, and
    sees a film in pictures that follow each other.
    """

    def __init__(self, *, opaque: bool) -> None:
        self._effect = int(opaque)  # QXL_EFFECT_BLEND or QXL_EFFECT_OPAQUE
        self._kept: list[ctypes.Array[ctypes.c_char]] = []

    def put(self, data: bytes) -> int:
        """Its address; 0 of nothing at all."""
        buffer = ctypes.create_string_buffer(data, max(1, len(data)))
        self._kept.append(buffer)
        return ctypes.addressof(buffer)

    def command(self, record: object) -> tuple[int, int]:
        """Type and address of the command that draws a record."""
        match record:
            case SurfaceCreate():
                assert record.format in _BYTES_A_PIXEL
                stride = -(-record.width * _BYTES_A_PIXEL[SurfaceFormat(record.format)] // 4) * 4
                pixels = self.put(bytes(stride * record.height))
                made = struct.pack("<IIIiQ", record.format, record.width, record.height, stride, pixels)
                return _SURFACE, self.put(struct.pack("<QIBI", 0, record.surface_id, 0, 0) + made)
            case SurfaceDestroy():
                return _SURFACE, self.put(struct.pack("<QIBI", 0, record.surface_id, 1, 0) + bytes(24))
            case _:
                return _DRAW, self.put(self._drawable(record))

    def cursor(self, x: int, y: int, shape: CursorShape) -> int:
        """The address of a command that sets the pointer."""
        header = shape.header
        assert header is not None
        data = bytes(shape.data)
        packed = struct.pack(
            "<QHHHHH", header.unique, header.type, header.width, header.height, header.hot_spot_x, header.hot_spot_y
        )
        packed += struct.pack("<I", len(data)) + self._chunk(data)
        return self.put(struct.pack("<QBhhBQ", 0, 0, x, y, 1, self.put(packed)) + bytes(128))

    @staticmethod
    def _chunk(data: bytes) -> bytes:
        return struct.pack("<IQQ", len(data), 0, 0) + data

    def _drawable(self, record: Any) -> bytes:
        base: draws.DisplayBase = record.base
        deps = [-1, -1, -1]
        areas = [Rect(top=0, left=0, bottom=0, right=0)] * 3
        for index, (surface_id, area) in enumerate(_surfaces_of(record)):
            deps[index], areas[index] = surface_id, area
        head = struct.pack("<QIBBB", 0, base.surface_id, self._effect, _DRAW_TYPES[type(record)], 0) + bytes(16)
        head += (
            _rect(base.box)
            + self._clip(base.clip)
            + struct.pack("<I3i", time.monotonic_ns() // 1_000_000 & 0xFFFFFFFF, *deps)
        )
        return head + b"".join(_rect(area) for area in areas) + self._body(record).ljust(160, b"\0")

    def _clip(self, clip: draws.Clip) -> bytes:
        if clip.rects is None:
            return struct.pack("<IQ", 0, 0)
        rects = b"".join(_rect(rect) for rect in clip.rects)
        return struct.pack("<IQ", 1, self.put(struct.pack("<I", len(clip.rects)) + self._chunk(rects)))

    def _body(self, record: Any) -> bytes:
        match record:
            case draws.CopyBits():
                return _point(record.source)
            case draws.DrawFill():
                return self._brush(record.brush) + struct.pack("<H", record.rop) + self._mask(record.mask)
            case draws.DrawCopy() | draws.DrawBlend():
                return (
                    self._source(record) + struct.pack("<HB", record.rop, record.scale_mode) + self._mask(record.mask)
                )
            case draws.DrawOpaque():
                middle = self._brush(record.brush) + struct.pack("<HB", record.rop, record.scale_mode)
                return self._source(record) + middle + self._mask(record.mask)
            case draws.DrawRop3():
                middle = self._brush(record.brush) + struct.pack("<BB", record.rop3, record.scale_mode)
                return self._source(record) + middle + self._mask(record.mask)
            case draws.DrawBlackness() | draws.DrawWhiteness() | draws.DrawInvers():
                return self._mask(record.mask)
            case draws.DrawTransparent():
                return self._source(record) + struct.pack("<II", record.source_color, record.true_color)
            case draws.DrawAlphaBlend():
                return struct.pack("<HB", record.alpha_flags, record.alpha) + self._source(record)
            case draws.DrawStroke():
                return self._stroke(record)
            case draws.DrawText():
                return self._text(record)
            case draws.DrawComposite():
                return self._composite(record)
        raise AssertionError(f"a card draws no {type(record).__name__}")

    def _source(self, record: Any) -> bytes:
        return struct.pack("<Q", self._image(record.source)) + _rect(record.source_area)

    def _brush(self, brush: draws.Brush) -> bytes:
        if isinstance(brush.content, draws.Pattern):
            pattern = struct.pack("<IQ", brush.type, self._image(brush.content.image))
            return pattern + _point(brush.content.position)
        return struct.pack("<II", brush.type, brush.content or 0) + bytes(12)

    def _mask(self, mask: draws.Mask) -> bytes:
        return struct.pack("<B", mask.flags) + _point(mask.position) + struct.pack("<Q", self._image(mask.bitmap))

    def _stroke(self, record: draws.DrawStroke) -> bytes:
        segments = b"".join(
            struct.pack("<II", segment.flags, len(segment.points))
            + b"".join(struct.pack("<ii", point.x, point.y) for point in segment.points)
            for segment in record.path.segments
        )
        path = self.put(struct.pack("<I", len(segments)) + self._chunk(segments))
        style = record.line.style or ()
        dashes = self.put(struct.pack(f"<{len(style)}i", *style)) if style else 0
        line = struct.pack("<BBBBiiQ", record.line.flags, 0, 0, len(style), 0, 0, dashes)
        tail = struct.pack("<HH", record.fore_rop, record.back_rop)
        return struct.pack("<Q", path) + line + self._brush(record.brush) + tail

    def _text(self, record: draws.DrawText) -> bytes:
        glyphs = b"".join(
            _point(glyph.render_position)
            + _point(glyph.origin)
            + struct.pack("<HH", glyph.width, glyph.height)
            + bytes(glyph.data)
            for glyph in record.string.glyphs
        )
        string = struct.pack("<IHH", len(glyphs), record.string.length, record.string.flags) + self._chunk(glyphs)
        brushes = self._brush(record.fore_brush) + self._brush(record.back_brush)
        tail = struct.pack("<HH", record.fore_rop, record.back_rop)
        return struct.pack("<Q", self.put(string)) + _rect(record.back_area) + brushes + tail

    def _composite(self, record: draws.DrawComposite) -> bytes:
        # The server sets these itself, by what the command points to.
        told = draws.CompositeFlags.HAS_MASK | draws.CompositeFlags.HAS_SRC_TRANSFORM
        told |= draws.CompositeFlags.HAS_MASK_TRANSFORM
        return struct.pack(
            "<IQQQQhhhh",
            record.flags & ~told,
            self._image(record.source),
            self._transform(record.source_transform),
            self._image(record.mask),
            self._transform(record.mask_transform),
            record.source_origin.x,
            record.source_origin.y,
            record.mask_origin.x,
            record.mask_origin.y,
        )

    def _transform(self, transform: Transform | None) -> int:
        if transform is None:
            return 0
        numbers = (transform.t00, transform.t01, transform.t02, transform.t10, transform.t11, transform.t12)
        return self.put(struct.pack("<6I", *numbers))

    def _image(self, image: Image | None) -> int:
        if image is None:
            return 0
        head = struct.pack("<QBBII", image.id, image.type, image.flags & 3, image.width, image.height)
        match image.content:
            case SurfaceImage(surface_id=surface_id):
                return self.put(head + struct.pack("<I", surface_id) + bytes(40))
            case Bitmap() as bitmap:
                flags = bitmap.flags & BitmapFlags.TOP_DOWN | _DIRECT
                sizes = struct.pack("<BBIII", bitmap.format, flags, bitmap.width, bitmap.height, bitmap.stride)
                palette = self._palette(bitmap.palette) if isinstance(bitmap.palette, Palette) else 0
                return self.put(head + sizes + struct.pack("<QQ", palette, self.put(bytes(bitmap.data))))
        raise AssertionError("a card's pictures are bitmaps and surfaces")

    def _palette(self, palette: Palette) -> int:
        count = len(palette.colors)
        return self.put(struct.pack(f"<QH{count}I", palette.unique, count, *palette.colors))


def _surfaces_of(record: Any) -> Iterator[tuple[int, Rect]]:
    """Which other surfaces a drawing reads: the server keeps their order."""
    brushes = [getattr(record, name, None) for name in ("brush", "fore_brush", "back_brush")]
    images: list[tuple[object, object]] = [
        (getattr(record, "source", None), getattr(record, "source_area", None)),
        (getattr(getattr(record, "mask", None), "bitmap", None), None),
        (getattr(record, "mask", None), None),
        *((brush.content.image, None) for brush in brushes if brush and isinstance(brush.content, draws.Pattern)),
    ]
    for image, area in images:
        if isinstance(image, Image) and isinstance(image.content, SurfaceImage):
            whole = Rect(top=0, left=0, bottom=image.height, right=image.width)
            yield image.content.surface_id, area if isinstance(area, Rect) else whole


def _point(point: Point) -> bytes:
    return struct.pack("<ii", point.x, point.y)


def _rect(rect: Rect) -> bytes:
    return struct.pack("<iiii", rect.top, rect.left, rect.bottom, rect.right)


# The server's side: spice-server `spice-core.h`, `spice-qxl.h`.


class _Base(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
    ]


_WATCH_FUNC = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_TIMER_FUNC = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_CORE = [
    ("timer_add", ctypes.CFUNCTYPE(ctypes.c_void_p, _TIMER_FUNC, ctypes.c_void_p)),
    ("timer_start", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32)),
    ("timer_cancel", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ("timer_remove", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ("watch_add", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_int, _WATCH_FUNC, ctypes.c_void_p)),
    ("watch_update_mask", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)),
    ("watch_remove", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ("channel_event", ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)),
]


class _Core(ctypes.Structure):
    _fields_ = [("base", _Base), *_CORE]


class _InitInfo(ctypes.Structure):
    _fields_ = [
        ("num_memslots_groups", ctypes.c_uint32),
        ("num_memslots", ctypes.c_uint32),
        ("memslot_gen_bits", ctypes.c_uint8),
        ("memslot_id_bits", ctypes.c_uint8),
        ("qxl_ram_size", ctypes.c_uint32),
        ("internal_groupslot_id", ctypes.c_uint8),
        ("n_surfaces", ctypes.c_uint32),
    ]


class _CommandExt(ctypes.Structure):
    _pack_ = 1
    _fields_ = [
        ("data", ctypes.c_uint64),
        ("type", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("group_id", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    ]


class _MemSlot(ctypes.Structure):
    _fields_ = [
        ("slot_group_id", ctypes.c_uint32),
        ("slot_id", ctypes.c_uint32),
        ("generation", ctypes.c_uint32),
        ("virt_start", ctypes.c_size_t),
        ("virt_end", ctypes.c_size_t),
        ("addr_delta", ctypes.c_uint64),
        ("qxl_ram_size", ctypes.c_uint32),
    ]


class _SurfaceCreate(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("stride", ctypes.c_int32),
        ("format", ctypes.c_uint32),
        ("position", ctypes.c_uint32),
        ("mouse_mode", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("mem", ctypes.c_uint64),
        ("group_id", ctypes.c_uint32),
    ]


_IN = ctypes.c_void_p
_QXL = [
    ("attached_worker", ctypes.CFUNCTYPE(None, _IN)),
    ("set_compression_level", ctypes.CFUNCTYPE(None, _IN, ctypes.c_int)),
    ("set_mm_time", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint32)),
    ("get_init_info", ctypes.CFUNCTYPE(None, _IN, ctypes.POINTER(_InitInfo))),
    ("get_command", ctypes.CFUNCTYPE(ctypes.c_int, _IN, ctypes.POINTER(_CommandExt))),
    ("req_cmd_notification", ctypes.CFUNCTYPE(ctypes.c_int, _IN)),
    ("release_resource", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint64, ctypes.c_uint64)),
    ("get_cursor_command", ctypes.CFUNCTYPE(ctypes.c_int, _IN, ctypes.POINTER(_CommandExt))),
    ("req_cursor_notification", ctypes.CFUNCTYPE(ctypes.c_int, _IN)),
    ("notify_update", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint32)),
    ("flush_resources", ctypes.CFUNCTYPE(ctypes.c_int, _IN)),
    ("async_complete", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint64)),
    ("update_area_complete", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)),
    ("set_client_capabilities", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint8, ctypes.c_void_p)),
    ("client_monitors_config", ctypes.CFUNCTYPE(ctypes.c_int, _IN, ctypes.c_void_p)),
]


class _QxlInterface(ctypes.Structure):
    _fields_ = [("base", _Base), *_QXL]


class _QxlInstance(ctypes.Structure):
    _fields_ = [("sif", ctypes.c_void_p), ("id", ctypes.c_int), ("st", ctypes.c_void_p)]


@dataclass
class _Watch:
    fd: int
    mask: int
    func: Any
    opaque: int | None


@dataclass
class _Timer:
    func: Any
    opaque: int | None
    due_s: float | None = None


class _Loop:
    """The event loop that the server asks for: descriptors, timers, and the test's pipe."""

    def __init__(self) -> None:
        self._watches: dict[int, _Watch] = {}
        self._timers: dict[int, _Timer] = {}
        self._next = 1

    def _number(self) -> int:
        self._next += 1
        return self._next

    def watch_add(self, fd: int, mask: int, func: Any, opaque: int | None) -> int:
        number = self._number()
        self._watches[number] = _Watch(fd, mask, func, opaque)
        return number

    def watch_update_mask(self, number: int, mask: int) -> None:
        self._watches[number].mask = mask

    def watch_remove(self, number: int) -> None:
        self._watches.pop(number, None)

    def timer_add(self, func: Any, opaque: int | None) -> int:
        number = self._number()
        self._timers[number] = _Timer(func, opaque)
        return number

    def timer_start(self, number: int, after_ms: int) -> None:
        self._timers[number].due_s = time.monotonic() + after_ms / 1000

    def timer_cancel(self, number: int) -> None:
        self._timers[number].due_s = None

    def timer_remove(self, number: int) -> None:
        self._timers.pop(number, None)

    def turn(self, readable: list[int]) -> list[int]:
        """Wait for something, do what the server has to; which of our own descriptors have something."""
        now = time.monotonic()
        dues = [timer.due_s for timer in self._timers.values() if timer.due_s is not None]
        timeout_s = max(0.0, min(dues) - now) if dues else None
        reads = [watch.fd for watch in self._watches.values() if watch.mask & 1]
        writes = [watch.fd for watch in self._watches.values() if watch.mask & 2]
        can_read, can_write, _ = select.select([*reads, *readable], writes, [], timeout_s)
        for number, watch in list(self._watches.items()):
            event = (watch.mask & 1 if watch.fd in can_read else 0) | (watch.mask & 2 if watch.fd in can_write else 0)
            if event and number in self._watches:
                watch.func(watch.fd, event, watch.opaque)
        now = time.monotonic()
        for number, timer in list(self._timers.items()):
            if timer.due_s is not None and timer.due_s <= now and number in self._timers:
                timer.due_s = None
                timer.func(timer.opaque)
        return [fd for fd in readable if fd in can_read]


class _Server:
    """spice-server with our card."""

    def __init__(self, settings: CardSettings) -> None:
        self._settings = settings
        self.loop = _Loop()
        self.memory = Memory(opaque=settings.video != VIDEO_OFF)
        self._commands: deque[tuple[int, int]] = deque()
        self._cursors: deque[int] = deque()
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
        if settings.codecs:
            assert call.spice_server_set_video_codecs(self._server, settings.codecs.encode()) != -1
        assert call.spice_server_init(self._server, ctypes.byref(self._core())) == 0
        self._instance = _QxlInstance(ctypes.addressof(self._interface()), 0, None)
        assert call.spice_server_add_interface(self._server, ctypes.byref(self._instance)) == 0
        slot = _MemSlot(0, 0, 0, 0, (1 << 64) - 1, 0, 0)
        call.spice_qxl_add_memslot(ctypes.byref(self._instance), ctypes.byref(slot))
        pixel_bytes = _BYTES_A_PIXEL[settings.format]
        self._stride = settings.width * pixel_bytes
        self._pixels = ctypes.create_string_buffer(self._stride * settings.height)
        primary = _SurfaceCreate(
            settings.width, settings.height, self._stride, settings.format, 0, 0, 0, 0,
            ctypes.addressof(self._pixels), 0,
        )  # fmt: skip
        call.spice_qxl_create_primary_surface(ctypes.byref(self._instance), 0, ctypes.byref(primary))
        call.spice_server_vm_start(self._server)

    def _core(self) -> _Core:
        core = _Core()
        core.base = _Base(b"core", b"test", 1, 3)
        for name, kind in _CORE:
            action: Callable[..., Any] = getattr(self.loop, name, lambda *_: None)
            setattr(core, name, kind(action))
        self._keep.append(core)
        return core

    def _interface(self) -> _QxlInterface:
        interface = _QxlInterface()
        interface.base = _Base(b"qxl", b"test", 3, 3)
        actions: dict[str, Callable[..., Any]] = {
            "get_init_info": self._get_init_info,
            "get_command": self._get_command,
            "req_cmd_notification": lambda _: not self._commands,
            "get_cursor_command": self._get_cursor_command,
            "req_cursor_notification": lambda _: not self._cursors,
            "flush_resources": lambda _: 0,
            "client_monitors_config": lambda *_: 0,
        }
        for name, kind in _QXL:
            setattr(interface, name, kind(actions.get(name, lambda *_: None)))
        self._keep.append(interface)
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
        ext[0] = _CommandExt(address, kind, 0, 0, 0)
        return 1

    def _get_cursor_command(self, _instance: int, ext: Any) -> int:
        if not self._cursors:
            return 0
        ext[0] = _CommandExt(self._cursors.popleft(), _CURSOR, 0, 0, 0)
        return 1

    def draw(self, records: tuple[object, ...]) -> None:
        for record in records:
            self._commands.append(self.memory.command(record))
        self._library.spice_qxl_wakeup(ctypes.byref(self._instance))

    def point(self, x: int, y: int, shape: CursorShape) -> None:
        self._cursors.append(self.memory.cursor(x, y, shape))
        self._library.spice_qxl_wakeup(ctypes.byref(self._instance))

    def screen(self) -> npt.NDArray[Any]:
        area = (ctypes.c_int32 * 4)(0, 0, self._settings.height, self._settings.width)
        self._library.spice_qxl_update_area(ctypes.byref(self._instance), 0, ctypes.byref(area), None, 0, 0)
        kind = {4: "<u4", 2: "<u2"}[_BYTES_A_PIXEL[self._settings.format]]
        return np.frombuffer(bytes(self._pixels.raw), kind).reshape(self._settings.height, self._settings.width)

    def take(self, client: socket.socket) -> None:
        self._library.spice_server_add_client(self._server, client.detach(), 0)


def _serve(pipe: Connection, settings: CardSettings) -> None:
    server = _Server(settings)
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
