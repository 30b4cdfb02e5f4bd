"""What the commands of a test's graphics card point to (spice-protocol `qxl_dev.h`)."""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Iterator
from typing import Any

from frazil.spice import draw_records as draws
from frazil.spice.cursor_channel import CursorShape
from frazil.spice.display_channel import SurfaceCreate, SurfaceDestroy, SurfaceFormat
from frazil.spice.geometry_records import Point, Rect, Transform
from frazil.spice.image_records import Bitmap, BitmapFlags, Image, Palette, SurfaceImage

DRAW, SURFACE, CURSOR = 1, 5, 3
"""Kinds of commands."""
BYTES_A_PIXEL = {
    SurfaceFormat.XRGB32: 4,
    SurfaceFormat.ARGB32: 4,
    SurfaceFormat.RGB555: 2,
    SurfaceFormat.RGB565: 2,
    SurfaceFormat.A8: 1,
}
_DIRECT = 1
"""In a bitmap's flags: its data is one piece (`QXL_BITMAP_DIRECT`)."""
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
                assert record.format in BYTES_A_PIXEL
                stride = -(-record.width * BYTES_A_PIXEL[SurfaceFormat(record.format)] // 4) * 4
                pixels = self.put(bytes(stride * record.height))
                made = struct.pack("<IIIiQ", record.format, record.width, record.height, stride, pixels)
                return SURFACE, self.put(struct.pack("<QIBI", 0, record.surface_id, 0, 0) + made)
            case SurfaceDestroy():
                return SURFACE, self.put(struct.pack("<QIBI", 0, record.surface_id, 1, 0) + bytes(24))
            case _:
                return DRAW, self.put(self._drawable(record))

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
