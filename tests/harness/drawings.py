"""Drawings at random, for a card to draw and for our canvas to draw after it."""

from __future__ import annotations

import random
from typing import Any, TypeAlias

import numpy as np

from frazil.spice.canvas.blend_modes import Mode
from frazil.spice.canvas.blending import Operator
from frazil.spice.draw_records import (
    NO_CLIP,
    NO_MASK,
    AlphaFlags,
    Brush,
    BrushType,
    Clip,
    ClipType,
    CompositeFlags,
    CopyBits,
    DisplayBase,
    DrawAlphaBlend,
    DrawBlackness,
    DrawBlend,
    DrawComposite,
    DrawCopy,
    DrawFill,
    DrawInvers,
    DrawOpaque,
    DrawRop3,
    DrawStroke,
    DrawText,
    DrawTransparent,
    DrawWhiteness,
    GlyphA1,
    GlyphA4,
    GlyphA8,
    GlyphString,
    LineAttributes,
    LineFlags,
    Mask,
    MaskFlags,
    Path,
    PathFlags,
    PathSegment,
    Pattern,
    Rop,
    ScaleMode,
    StringFlags,
)
from frazil.spice.geometry_records import Point, Point16, PointFix, Rect, Transform
from frazil.spice.image_records import Bitmap, BitmapFlags, BitmapFormat, Image, ImageType, Palette, SurfaceImage
from frazil.spice.pictures.bitmap import BITS

OPERATIONS = (Rop.OP_PUT, Rop.OP_OR, Rop.OP_AND, Rop.OP_XOR, Rop.OP_BLACKNESS, Rop.OP_WHITENESS, Rop.OP_INVERS)
INVERSIONS = (Rop.INVERS_SRC, Rop.INVERS_BRUSH, Rop.INVERS_DEST, Rop.INVERS_RES)
TRUE_ROP3S = tuple(
    table
    for table in range(256)
    if all(any((table >> i ^ table >> (i ^ bit)) & 1 for i in range(8)) for bit in (1, 2, 4))
)
"""Those that depend on all three inputs: for the others spice-server ends itself, drivers send them in other ways."""
PALETTE_SIZES = {1: 2, 4: 16, 8: 256}


Plain: TypeAlias = DrawBlackness | DrawWhiteness | DrawInvers


class Artist:
    """Makes records for a surface of `width` × `height`; the same seed makes the same ones."""

    def __init__(self, seed: int, width: int, height: int) -> None:
        self.random = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        self.width, self.height = width, height
        self._number = seed << 20
        self.surfaces: dict[int, tuple[int, int]] = {}
        """Other surfaces that may be drawn from: their sizes."""

    def number(self) -> int:
        self._number += 1
        return self._number << 32

    def rect(self, width: int, height: int, *, beyond: int = 0) -> Rect:
        """A box in a box, perhaps reaching so far out of it."""
        left, top = self.random.randint(-beyond, width - 4), self.random.randint(-beyond, height - 4)
        return Rect(
            left=left,
            top=top,
            right=self.random.randint(max(left, 0) + 1, width + beyond),
            bottom=self.random.randint(max(top, 0) + 1, height + beyond),
        )

    def clip(self) -> Clip:
        if self.random.random() < 0.5:
            return NO_CLIP
        rects = tuple(self.rect(self.width, self.height) for _ in range(self.random.randint(1, 5)))
        return Clip(type=ClipType.RECTS, rects=rects)

    def base(self, box: Rect | None = None, *, clip: Clip | None = None) -> DisplayBase:
        return DisplayBase(
            surface_id=0, box=box or self.rect(self.width, self.height), clip=self.clip() if clip is None else clip
        )

    def rop(self) -> int:
        return self.random.choice(OPERATIONS) | sum(bit for bit in INVERSIONS if self.random.random() < 0.4)

    def bytes_of(self, width: int, height: int, form: BitmapFormat) -> tuple[int, bytes]:
        """A line's length, and lines: a part noise, a part even, as pictures are."""
        bits = BITS[form]
        stride = -(-width * bits // 32) * 4
        lines = self._noise.integers(0, 256, (height, stride), np.uint8)
        steps = (np.arange(stride, dtype=np.uint8)[None, :] // 4 + np.arange(height, dtype=np.uint8)[:, None]) * 3
        lines[: height // 2] = steps[: height // 2]
        lines[:, stride // 3 : stride // 2] = lines[0, 0]
        return stride, lines.tobytes()

    def premultiplied(self, width: int, height: int) -> bytes:
        alpha = self._noise.integers(0, 256, (height, width, 1), np.uint16)
        alpha[:, : width // 4] = 255
        alpha[:, width // 4 : width // 3] = 0
        colors = self._noise.integers(0, 256, (height, width, 3), np.uint16) * alpha // 255
        return np.concatenate((colors, alpha), axis=2).astype(np.uint8).tobytes()

    def picture(
        self,
        width: int = 0,
        height: int = 0,
        *,
        form: BitmapFormat = BitmapFormat.BIT32,
        flags: int = 0,
    ) -> Image:
        width = width or self.random.randint(8, 90)
        height = height or self.random.randint(8, 90)
        stride, data = self.bytes_of(width, height, form)
        if form is BitmapFormat.RGBA:
            data = self.premultiplied(width, height)
        elif form is BitmapFormat.BIT32:
            pixels = np.frombuffer(data, "<u4") & np.uint32(0xFFFFFF)
            data = pixels.tobytes()
        palette = None
        if BITS[form] in PALETTE_SIZES and form is not BitmapFormat.BIT8_A:
            count = PALETTE_SIZES[BITS[form]]
            colors = tuple(int(color) for color in self._noise.integers(0, 1 << 24, count))
            palette = Palette(unique=self.random.choice((0, self.number())), colors=colors)
        bitmap = Bitmap(
            format=form,
            flags=self.random.choice((0, BitmapFlags.TOP_DOWN)),
            width=width,
            height=height,
            stride=stride,
            palette=palette,
            data=data,
        )
        return Image(id=self.number(), type=ImageType.BITMAP, flags=flags, width=width, height=height, content=bitmap)

    def smooth(self, form: BitmapFormat, width: int = 128, height: int = 96, *, phase: int = 0) -> Image:
        """A picture without edges, as a photograph has parts."""
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        alpha = np.where(x < width // 2, 255, 255 - y) if form is BitmapFormat.RGBA else np.zeros_like(x)
        colors = [
            128 + 100 * np.sin((x + phase) / 17) * np.cos(y / 23),
            128 + 90 * np.sin(x / 29 + y / 31),
            128 + 80 * np.cos(x / 41),
        ]
        if form is BitmapFormat.RGBA:
            colors = [color * alpha / 255 for color in colors]
        data = np.stack([*colors, alpha], axis=2).astype(np.uint8).tobytes()
        bitmap = Bitmap(
            format=form,
            flags=BitmapFlags.TOP_DOWN,
            width=width,
            height=height,
            stride=4 * width,
            palette=None,
            data=data,
        )
        return Image(id=self.number(), type=ImageType.BITMAP, flags=0, width=width, height=height, content=bitmap)

    def source(self, width: int = 0, height: int = 0, **how: Any) -> Image:
        """A picture, or now and then another surface that is large enough."""
        fitting = [number for number, size in self.surfaces.items() if size[0] >= width and size[1] >= height]
        if fitting and self.random.random() < 0.3:
            number = self.random.choice(fitting)
            return self.of_surface(number)
        return self.picture(width, height, **how)

    def of_surface(self, number: int) -> Image:
        width, height = self.surfaces[number]
        return Image(
            id=self.number(),
            type=ImageType.SURFACE,
            flags=0,
            width=width,
            height=height,
            content=SurfaceImage(surface_id=number),
        )

    def brush(self, *, upper_left: Rect | None = None) -> Brush:
        """`upper_left`: a pattern begins no further right or down than this box."""
        kind = self.random.choice((BrushType.NONE, BrushType.SOLID, BrushType.SOLID, BrushType.PATTERN))
        if kind is BrushType.PATTERN:
            place = Point(x=self.random.randint(-20, 200), y=self.random.randint(-20, 200))
            if upper_left is not None:
                place = Point(x=min(place.x, upper_left.left), y=min(place.y, upper_left.top))
            return Brush(
                type=kind,
                content=Pattern(
                    image=self.picture(self.random.randint(1, 40), self.random.randint(1, 40)), position=place
                ),
            )
        color = self.random.randrange(1 << 24)
        return Brush(type=kind, content=color if kind is BrushType.SOLID else None)

    def mask(self, box: Rect) -> Mask:
        if self.random.random() < 0.6:
            return NO_MASK
        form = self.random.choice((BitmapFormat.BIT1_LE, BitmapFormat.BIT1_BE))
        x, y = self.random.randint(0, 5), self.random.randint(0, 5)
        image = self.picture(box.width + x + 1, box.height + y + 1, form=form)
        bitmap = image.content
        assert isinstance(bitmap, Bitmap)
        plain = Bitmap(
            format=form,
            flags=bitmap.flags,
            width=bitmap.width,
            height=bitmap.height,
            stride=bitmap.stride,
            palette=None,
            data=bitmap.data,
        )
        made = Image(id=image.id, type=image.type, flags=0, width=image.width, height=image.height, content=plain)
        return Mask(flags=self.random.choice((0, MaskFlags.INVERS)), position=Point(x=x, y=y), bitmap=made)

    def sized(self, *, scaled: bool, **how: Any) -> tuple[Rect, Image, Rect]:
        """A box, a picture, and the part of it that comes there: of the box's size, or of another one."""
        box = self.rect(self.width, self.height)
        if scaled:
            image = self.source(**how)
            return box, image, self.rect(image.width, image.height)
        x, y = self.random.randint(0, 9), self.random.randint(0, 9)
        image = self.source(box.width + x, box.height + y, **how)
        return box, image, Rect(left=x, top=y, right=x + box.width, bottom=y + box.height)

    def fill(self) -> DrawFill:
        base = self.base()
        return DrawFill(base=base, brush=self.brush(), rop=self.rop(), mask=self.mask(base.box))

    def copy(self, *, scaled: bool = False, mode: int = ScaleMode.NEAREST, kind: type = DrawCopy) -> Any:
        box, image, part = self.sized(scaled=scaled)
        return kind(
            base=self.base(box),
            source=image,
            source_area=part,
            rop=self.rop(),
            scale_mode=mode,
            mask=self.mask(box),
        )

    def blend(self) -> Any:
        return self.copy(kind=DrawBlend)

    def opaque(self, *, scaled: bool = False) -> DrawOpaque:
        box, image, part = self.sized(scaled=scaled)
        return DrawOpaque(
            base=self.base(box),
            source=image,
            source_area=part,
            brush=self.brush(),
            rop=self.rop(),
            scale_mode=ScaleMode.NEAREST,
            mask=self.mask(box),
        )

    def rop3(self) -> DrawRop3:
        box, image, part = self.sized(scaled=False)
        brush = self.brush(upper_left=box)  # spice-server reads before a pattern that begins further on
        if brush.content is None:
            brush = Brush(type=BrushType.SOLID, content=0x336699)
        return DrawRop3(
            base=self.base(box),
            source=image,
            source_area=part,
            brush=brush,
            rop3=self.random.choice(TRUE_ROP3S),
            scale_mode=ScaleMode.NEAREST,
            mask=self.mask(box),
        )

    def plain(self, kind: type[Plain] | None = None) -> Plain:
        base = self.base()
        chosen = kind or self.random.choice((DrawBlackness, DrawWhiteness, DrawInvers, DrawInvers))
        return chosen(base=base, mask=self.mask(base.box))

    def copy_bits(self) -> CopyBits:
        base = self.base()
        x = self.random.randint(0, self.width - base.box.width)
        y = self.random.randint(0, self.height - base.box.height)
        return CopyBits(base=base, source=Point(x=x, y=y))

    def transparent(self, *, scaled: bool = False) -> DrawTransparent:
        box, image, part = self.sized(scaled=scaled)
        key = self.random.randrange(1 << 24)
        if isinstance(image.content, Bitmap):
            key = int(np.frombuffer(image.content.data, "<u4")[self.random.randrange(image.width)])
        return DrawTransparent(base=self.base(box), source=image, source_area=part, source_color=key, true_color=key)

    def alpha_blend(self, *, scaled: bool = False) -> DrawAlphaBlend:
        form = self.random.choice((BitmapFormat.RGBA, BitmapFormat.BIT32))
        box, image, part = self.sized(scaled=scaled, form=form)
        return DrawAlphaBlend(
            base=self.base(box),
            alpha_flags=self.random.choice((0, AlphaFlags.SRC_SURFACE_HAS_ALPHA)),
            alpha=self.random.choice((255, 255, 128, 1, 77)),
            source=image,
            source_area=part,
        )

    def spot(self) -> PointFix:
        """Perhaps beside the surface."""
        return PointFix(
            x=self.random.randint(-40 << 4, self.width + 40 << 4),
            y=self.random.randint(-40 << 4, self.height + 40 << 4),
        )

    def stroke(self, *, curved: bool = False) -> DrawStroke:
        points = [self.spot() for _ in range(7 if curved else self.random.randint(2, 6))]
        flags = PathFlags.BEGIN | PathFlags.END
        if curved:
            flags |= PathFlags.BEZIER
        elif self.random.random() < 0.5:
            flags |= PathFlags.CLOSE
        return self._stroke(flags, points, LineAttributes(flags=0, style_count=None, style=None))

    def dashes(self) -> DrawStroke:
        """A level or an upright line."""
        start, end = self.spot(), self.spot()
        end = self.random.choice((PointFix(x=start.x, y=end.y), PointFix(x=end.x, y=start.y)))
        style = tuple(self.random.randint(1, 12) << 4 for _ in range(self.random.choice((2, 4))))
        flags = LineFlags.STYLED | self.random.choice((0, LineFlags.START_WITH_GAP))
        line = LineAttributes(flags=flags, style_count=len(style), style=style)
        return self._stroke(PathFlags.BEGIN | PathFlags.END, [start, end], line)

    def _stroke(self, flags: int, points: list[PointFix], line: LineAttributes) -> DrawStroke:
        return DrawStroke(
            base=self.base(Rect(left=0, top=0, right=self.width, bottom=self.height)),
            path=Path(segments=(PathSegment(flags=flags, points=tuple(points)),)),
            line=line,
            brush=self.brush(),
            fore_rop=self.random.choice((Rop.OP_PUT, Rop.OP_XOR)),
            back_rop=Rop.OP_PUT,
        )

    def text(self, depth: StringFlags = StringFlags.RASTER_A1) -> DrawText:
        kinds: dict[StringFlags, tuple[type[GlyphA1 | GlyphA4 | GlyphA8], int]] = {
            StringFlags.RASTER_A1: (GlyphA1, 1),
            StringFlags.RASTER_A4: (GlyphA4, 4),
            StringFlags.RASTER_A8: (GlyphA8, 8),
        }
        kind, bits = kinds[depth]
        x, y = self.random.randint(0, max(0, self.width - 90)), self.random.randint(20, self.height - 20)
        glyphs: list[GlyphA1 | GlyphA4 | GlyphA8] = []
        for index in range(self.random.randint(1, 6)):
            width, height = self.random.randint(1, 14), self.random.randint(1, 14)
            data = self._noise.integers(0, 256, (width * bits + 7) // 8 * height, np.uint8).tobytes()
            glyphs.append(
                kind(
                    render_position=Point(x=x + 11 * index, y=y),
                    origin=Point(x=self.random.randint(-2, 2), y=-height),
                    width=width,
                    height=height,
                    data=data,
                )
            )
        back = Rect(left=x - 3, top=y - 14, right=x + 70, bottom=y + 3)
        nothing = Rect(left=0, top=0, right=0, bottom=0)
        fore = self.brush()
        return DrawText(
            base=self.base(Rect(left=0, top=0, right=self.width, bottom=self.height)),
            string=GlyphString(length=len(glyphs), flags=depth, glyphs=tuple(glyphs)),
            back_area=self.random.choice((back, nothing)),
            fore_brush=fore,
            back_brush=self.brush(),
            fore_rop=Rop.OP_PUT,
            back_rop=Rop.OP_PUT,
        )

    def composite(self, *, transform: bool = False, smooth: bool = False, mode: Mode | None = None) -> DrawComposite:
        box = self.rect(self.width, self.height)
        source = self.source(form=self.random.choice((BitmapFormat.RGBA, BitmapFormat.BIT32)))
        mask = None
        flags = int(mode or self.random.choice(list(Operator)[: -1 if smooth else None]))
        flags |= (1 if smooth else 0) << 8 | self.random.randrange(4) << 14
        if self.random.random() < 0.5:
            mask = self.picture(form=self.random.choice((BitmapFormat.RGBA, BitmapFormat.BIT8_A)))
            flags |= CompositeFlags.HAS_MASK | self.random.randrange(4) << 16
            if self.random.random() < 0.5:
                flags |= CompositeFlags.COMPONENT_ALPHA
        matrix = None
        if transform:
            flags |= CompositeFlags.HAS_SRC_TRANSFORM
            numbers = [self.random.randint(-(2 << 16), 2 << 16) & 0xFFFFFFFF for _ in range(6)]
            matrix = Transform(
                t00=numbers[0], t01=numbers[1], t02=numbers[2], t10=numbers[3], t11=numbers[4], t12=numbers[5]
            )
        return DrawComposite(
            base=self.base(box),
            flags=flags,
            source=source,
            mask=mask,
            source_transform=matrix,
            mask_transform=None,
            source_origin=Point16(x=self.random.randint(-20, 20), y=self.random.randint(-20, 20)),
            mask_origin=Point16(x=self.random.randint(-20, 20), y=self.random.randint(-20, 20)),
        )
