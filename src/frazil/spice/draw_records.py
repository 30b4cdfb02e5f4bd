"""What the display channel draws (spice-common `spice.proto`, `DisplayChannel`, messages 104 and 302 to 318).

Each begins with `DisplayBase`: a surface, the box that is drawn, and a clip. Brushes, masks, paths and strings are
records of their own; pictures are in `image_records`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Annotated, Any

from frazil.spice.dependent_fields import ArrayAtOffsetCountedBy, Choice, Dependent, Flagged, Nothing, OctetsSizedBy
from frazil.spice.fields import U8, U16, U32, AtOffset, Buffer, CountedArray, DueAtOffset, FixedArray, Kind, Number
from frazil.spice.geometry_records import Point, Point16, PointFix, Rect, Transform
from frazil.spice.image_records import DueImageAtOffset, Image, ImageAtOffset
from frazil.spice.records import kind_of, record


class ClipType(IntEnum):
    """Whether a list of boxes follows."""

    NONE = 0
    RECTS = 1


class BrushType(IntEnum):
    """What is painted with."""

    NONE = 0
    SOLID = 1
    PATTERN = 2


class MaskFlags(IntFlag):
    """`INVERS`: what the mask has clear is drawn, instead of what it has set."""

    INVERS = 1


class ScaleMode(IntEnum):
    """What a pixel is made of where a picture's size changes."""

    INTERPOLATE = 0
    NEAREST = 1


class Rop(IntFlag):
    """How source, brush and destination are put together (`SPICE_ROPD_*`): one of the `OP_` bits, and inversions."""

    INVERS_SRC = 1 << 0
    INVERS_BRUSH = 1 << 1
    INVERS_DEST = 1 << 2
    OP_PUT = 1 << 3
    OP_OR = 1 << 4
    OP_AND = 1 << 5
    OP_XOR = 1 << 6
    OP_BLACKNESS = 1 << 7
    OP_WHITENESS = 1 << 8
    OP_INVERS = 1 << 9
    INVERS_RES = 1 << 10


class PathFlags(IntFlag):
    """`BEGIN` starts a figure at the first point, `END` ends it, `CLOSE` draws back to its start; `BEZIER`: cubic."""

    BEGIN = 1
    END = 2
    CLOSE = 8
    BEZIER = 16


class LineFlags(IntFlag):
    """`STYLED`: dashes and gaps in turn, a gap first with `START_WITH_GAP`."""

    START_WITH_GAP = 4
    STYLED = 8


class StringFlags(IntFlag):
    """How many bits a glyph's pixel has, and whether its first line is the uppermost one."""

    RASTER_A1 = 1
    RASTER_A4 = 2
    RASTER_A8 = 4
    RASTER_TOP_DOWN = 8


class AlphaFlags(IntFlag):
    """Whose alpha counts beside the message's own."""

    DEST_HAS_ALPHA = 1
    SRC_SURFACE_HAS_ALPHA = 2


class CompositeFlags(IntFlag):
    """The bits of `DrawComposite.flags` that are no numbers; `composite_numbers` takes those apart."""

    COMPONENT_ALPHA = 1 << 18
    HAS_MASK = 1 << 19
    HAS_SRC_TRANSFORM = 1 << 20
    HAS_MASK_TRANSFORM = 1 << 21
    SOURCE_OPAQUE = 1 << 22
    MASK_OPAQUE = 1 << 23
    DEST_OPAQUE = 1 << 24


@record
class Clip:
    """Where drawing has an effect: everywhere in the box, or in `rects` only."""

    type: U8
    rects: Annotated[
        tuple[Rect, ...] | None,
        Choice("type", {ClipType.NONE: Nothing(), ClipType.RECTS: CountedArray(Number("I"), kind_of(Rect))}),
    ]


NO_CLIP = Clip(type=ClipType.NONE, rects=None)


@record
class DisplayBase:
    """The surface, and where on it."""

    surface_id: U32
    box: Rect
    clip: Clip


@record
class Pattern:
    """A picture that is repeated in all directions; its upper left corner stands at `position` of the surface."""

    image: DueImageAtOffset
    position: Point


@record
class Brush:
    """`content`: a colour as 0xRRGGBB, or a pattern."""

    type: U8
    content: Annotated[
        int | Pattern | None,
        Choice(
            "type",
            {BrushType.NONE: Nothing(), BrushType.SOLID: Number("I"), BrushType.PATTERN: kind_of(Pattern)},
        ),
    ]


@record
class Mask:
    """One bit a pixel says what is drawn. `position` is the mask's pixel at the box's upper left corner."""

    flags: U8
    position: Point
    bitmap: ImageAtOffset


NO_MASK = Mask(flags=0, position=Point(x=0, y=0), bitmap=None)


@record
class CopyBits:
    """The box is filled with what stands on the same surface, from `source` on."""

    base: DisplayBase
    source: Point


@record
class DrawFill:
    """A box in one brush."""

    base: DisplayBase
    brush: Brush
    rop: U16
    mask: Mask


@record
class DrawOpaque:
    """A picture, scaled to the box, and over it a brush: `rop` says how those two are put together."""

    base: DisplayBase
    source: ImageAtOffset
    source_area: Rect
    brush: Brush
    rop: U16
    scale_mode: U8
    mask: Mask


@record
class DrawCopy:
    """A picture, scaled to the box."""

    base: DisplayBase
    source: ImageAtOffset
    source_area: Rect
    rop: U16
    scale_mode: U8
    mask: Mask


@record
class DrawBlend:
    """A picture, scaled to the box, put together with what is there."""

    base: DisplayBase
    source: ImageAtOffset
    source_area: Rect
    rop: U16
    scale_mode: U8
    mask: Mask


@record
class DrawBlackness:
    """Zeros."""

    base: DisplayBase
    mask: Mask


@record
class DrawWhiteness:
    """Ones."""

    base: DisplayBase
    mask: Mask


@record
class DrawInvers:
    """The opposite of what is there."""

    base: DisplayBase
    mask: Mask


@record
class DrawRop3:
    """Source, brush and destination by a table of eight bits: bit `brush * 4 + source * 2 + destination`."""

    base: DisplayBase
    source: ImageAtOffset
    source_area: Rect
    brush: Brush
    rop3: U8
    scale_mode: U8
    mask: Mask


@record
class PathSegment:
    """Points that are joined by lines, or three by three by Bézier curves."""

    flags: U8
    points: Annotated[tuple[PointFix, ...], CountedArray(Number("I"), kind_of(PointFix))]


@record
class Path:
    """Figures."""

    segments: Annotated[tuple[PathSegment, ...], CountedArray(Number("I"), kind_of(PathSegment))]


@record
class LineAttributes:
    """Dashes: lengths in sixteenths of a pixel."""

    flags: U8
    style_count: Annotated[int | None, Flagged("flags", LineFlags.STYLED, Number("B"))]
    style: Annotated[
        tuple[int, ...] | None,
        Flagged("flags", LineFlags.STYLED, ArrayAtOffsetCountedBy("style_count", Number("i"))),
    ]


@record
class DrawStroke:
    """Lines of one pixel's width. `fore_rop` is of the dashes, `back_rop` of the gaps."""

    base: DisplayBase
    path: Annotated[Path, DueAtOffset(kind_of(Path))]
    line: LineAttributes
    brush: Brush
    fore_rop: U16
    back_rop: U16


def _glyph_bytes(bits: int) -> OctetsSizedBy:
    return OctetsSizedBy("width", "height", size=lambda width, height: (width * bits + 7) // 8 * height)


@record
class GlyphA1:
    """One bit a pixel, a byte's highest bit first; each line begins with a byte."""

    render_position: Point
    origin: Point
    width: U16
    height: U16
    data: Annotated[Buffer, _glyph_bytes(1)]


@record
class GlyphA4:
    """Four bits a pixel, a byte's higher half first."""

    render_position: Point
    origin: Point
    width: U16
    height: U16
    data: Annotated[Buffer, _glyph_bytes(4)]


@record
class GlyphA8:
    """A byte a pixel."""

    render_position: Point
    origin: Point
    width: U16
    height: U16
    data: Annotated[Buffer, _glyph_bytes(8)]


class GlyphRun(Dependent):
    """`length` glyphs, of the kind that `flags` says: exactly one of the three."""

    __slots__ = ()
    KINDS: Mapping[int, type] = {
        StringFlags.RASTER_A1: GlyphA1,
        StringFlags.RASTER_A4: GlyphA4,
        StringFlags.RASTER_A8: GlyphA8,
    }

    def __init__(self) -> None:
        super().__init__("length", "flags")

    def within(self, before: Mapping[str, Any]) -> Kind:
        depth = before["flags"] & ~StringFlags.RASTER_TOP_DOWN
        if depth not in self.KINDS:
            raise ValueError(f"A string has {before['flags']} as its flags, which is no depth of glyphs.")
        return FixedArray(before["length"], kind_of(self.KINDS[depth]))


@record
class GlyphString:
    """Glyphs, each with its place on the surface."""

    length: U16
    flags: U8
    glyphs: Annotated[tuple[GlyphA1 | GlyphA4 | GlyphA8, ...], GlyphRun()]


@record
class DrawText:
    """`back_brush` fills `back_area` first."""

    base: DisplayBase
    string: Annotated[GlyphString, DueAtOffset(kind_of(GlyphString))]
    back_area: Rect
    fore_brush: Brush
    back_brush: Brush
    fore_rop: U16
    back_rop: U16


@record
class DrawTransparent:
    """A picture without its pixels of one colour: `true_color` on surfaces of 32 bits, `source_color` else."""

    base: DisplayBase
    source: ImageAtOffset
    source_area: Rect
    source_color: U32
    true_color: U32


@record
class DrawAlphaBlend:
    """A picture over what is there; `alpha` (255: as it is) counts for all of it, beside its own alpha."""

    base: DisplayBase
    alpha_flags: U8
    alpha: U8
    source: ImageAtOffset
    source_area: Rect


@record
class DrawComposite:
    """One request of X's Render extension. The origins are the pictures' pixels at the box's upper left corner."""

    base: DisplayBase
    flags: U32
    source: DueImageAtOffset
    mask: Annotated[Image | None, Flagged("flags", CompositeFlags.HAS_MASK, AtOffset(kind_of(Image)))]
    source_transform: Annotated[
        Transform | None, Flagged("flags", CompositeFlags.HAS_SRC_TRANSFORM, kind_of(Transform))
    ]
    mask_transform: Annotated[Transform | None, Flagged("flags", CompositeFlags.HAS_MASK_TRANSFORM, kind_of(Transform))]
    source_origin: Point16
    mask_origin: Point16


Draw = (
    DrawFill
    | DrawOpaque
    | DrawCopy
    | DrawBlend
    | DrawBlackness
    | DrawWhiteness
    | DrawInvers
    | DrawRop3
    | DrawStroke
    | DrawText
    | DrawTransparent
    | DrawAlphaBlend
    | DrawComposite
)
