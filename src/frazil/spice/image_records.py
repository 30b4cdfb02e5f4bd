"""Pictures in messages of the display channel (spice-common `spice.proto`, `Image` and what is in it).

An image stands at an offset: a descriptor, and behind it what the type says. The pixels themselves are left as they
are; `frazil.spice.pictures` makes arrays of them.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Annotated

from frazil.spice.dependent_fields import Choice, Flagged, Nothing, OctetsSizedBy
from frazil.spice.fields import U8, U32, U64, AtOffset, Buffer, Counted32, CountedArray, DueAtOffset, Number
from frazil.spice.records import kind_of, record


class ImageType(IntEnum):
    """How a picture is coded."""

    BITMAP = 0
    QUIC = 1
    LZ_PLT = 100
    LZ_RGB = 101
    GLZ_RGB = 102
    FROM_CACHE = 103
    SURFACE = 104
    JPEG = 105
    FROM_CACHE_LOSSLESS = 106
    ZLIB_GLZ_RGB = 107
    JPEG_ALPHA = 108
    LZ4 = 109


class ImageFlags(IntFlag):
    """`CACHE_ME`: keep it under its id. `CACHE_REPLACE_ME`: it takes the place of a lossy one with the same id."""

    CACHE_ME = 1
    HIGH_BITS_SET = 2
    CACHE_REPLACE_ME = 4


class ImageCompression(IntEnum):
    """What a client can ask for by `PREFERRED_COMPRESSION`."""

    OFF = 1
    AUTO_GLZ = 2
    AUTO_LZ = 3
    QUIC = 4
    GLZ = 5
    LZ = 6
    LZ4 = 7


class BitmapFormat(IntEnum):
    """What a bitmap's bits mean. In `_LE` ones the first pixel is in a byte's lowest bits, in `_BE` in its highest."""

    BIT1_LE = 1
    BIT1_BE = 2
    BIT4_LE = 3
    BIT4_BE = 4
    BIT8 = 5
    BIT16 = 6
    BIT24 = 7
    BIT32 = 8
    RGBA = 9
    BIT8_A = 10


class BitmapFlags(IntFlag):
    """`TOP_DOWN`: the first line is the uppermost one; else the lowest one comes first."""

    PAL_CACHE_ME = 1
    PAL_FROM_CACHE = 2
    TOP_DOWN = 4


@record
class Palette:
    """Colours as 0xRRGGBB numbers. `unique` is what the palette cache knows it by."""

    unique: U64
    colors: Annotated[tuple[int, ...], CountedArray(Number("H"), Number("I"))]


_PALETTE = Flagged("flags", BitmapFlags.PAL_FROM_CACHE, Number("Q"), when_clear=AtOffset(kind_of(Palette)))
"""A cached palette's id, or an offset to a palette or to none."""


@record
class Bitmap:
    """Plain pixels: `height` lines of `stride` bytes each, of which the first `width` pixels count."""

    format: U8
    flags: U8
    width: U32
    height: U32
    stride: U32
    palette: Annotated[Palette | int | None, _PALETTE]
    data: Annotated[Buffer, OctetsSizedBy("stride", "height", size=lambda stride, height: stride * height)]


@record
class Coded:
    """A coder's bytes, with a header of its own in them: QUIC, LZ, GLZ, JPEG, LZ4."""

    data: Counted32


@record
class LzPalette:
    """LZ of palette indexes."""

    flags: U8
    data_size: U32
    palette: Annotated[
        Palette | int,
        Flagged("flags", BitmapFlags.PAL_FROM_CACHE, Number("Q"), when_clear=DueAtOffset(kind_of(Palette))),
    ]
    data: Annotated[Buffer, OctetsSizedBy("data_size", size=int)]


@record
class ZlibGlz:
    """GLZ of `glz_size` bytes, deflated."""

    glz_size: U32
    data: Counted32


@record
class JpegAlpha:
    """`jpeg_size` bytes of JPEG, and behind them an LZ picture whose alpha counts. `flags`: 1 the alpha is top down."""

    flags: U8
    jpeg_size: U32
    data: Counted32


@record
class SurfaceImage:
    """Another surface as it is now."""

    surface_id: U32


ImageContent = Bitmap | Coded | LzPalette | ZlibGlz | JpegAlpha | SurfaceImage | None

_CONTENT = Choice(
    "type",
    {
        ImageType.BITMAP: kind_of(Bitmap),
        ImageType.QUIC: kind_of(Coded),
        ImageType.LZ_PLT: kind_of(LzPalette),
        ImageType.LZ_RGB: kind_of(Coded),
        ImageType.GLZ_RGB: kind_of(Coded),
        ImageType.FROM_CACHE: Nothing(),
        ImageType.SURFACE: kind_of(SurfaceImage),
        ImageType.JPEG: kind_of(Coded),
        ImageType.FROM_CACHE_LOSSLESS: Nothing(),
        ImageType.ZLIB_GLZ_RGB: kind_of(ZlibGlz),
        ImageType.JPEG_ALPHA: kind_of(JpegAlpha),
        ImageType.LZ4: kind_of(Coded),
    },
)


@record
class Image:
    """A picture. `id` is what caches know it by; width and height are pixels."""

    id: U64
    type: U8
    flags: U8
    width: U32
    height: U32
    content: Annotated[ImageContent, _CONTENT]


ImageAtOffset = Annotated[Image | None, AtOffset(kind_of(Image))]
DueImageAtOffset = Annotated[Image, DueAtOffset(kind_of(Image))]
