"""From an image of a message to a picture, whatever coder and cache it takes."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice.image_records import (
    Bitmap,
    BitmapFlags,
    Coded,
    Image,
    ImageFlags,
    ImageType,
    JpegAlpha,
    LzPalette,
    Palette,
    ZlibGlz,
)
from frazil.spice.pictures.bitmap import decode_bitmap, decode_mask
from frazil.spice.pictures.caches import Mask, PaletteCache, PictureCache
from frazil.spice.pictures.glz import GlzWindow
from frazil.spice.pictures.jpeg import decode_jpeg, decode_jpeg_alpha
from frazil.spice.pictures.lz import decode_lz
from frazil.spice.pictures.lz4 import decode_lz4
from frazil.spice.pictures.picture import PIXELS_MAX, Picture
from frazil.spice.pictures.quic import decode_quic

GLZ_MAX_BYTES = 5 * PIXELS_MAX
"""More than any GLZ picture takes: four bytes a pixel, and its control bytes."""
LOSSY = frozenset({ImageType.JPEG, ImageType.JPEG_ALPHA})
FROM_CACHE = frozenset({ImageType.FROM_CACHE, ImageType.FROM_CACHE_LOSSLESS})


@dataclass(slots=True)
class SessionPictures:
    """What all display channels of a session share. The sizes are those that the client named in `DisplayInit`."""

    cache: PictureCache
    window: GlzWindow

    @classmethod
    def of_sizes(cls, *, cache_pixels: int, window_pixels: int) -> SessionPictures:
        return cls(PictureCache(cache_pixels), GlzWindow(window_pixels))


@dataclass(slots=True)
class PictureDecoder:
    """The decoder of one display channel. `used` counts pictures by how they came."""

    session: SessionPictures
    palettes: PaletteCache = field(default_factory=PaletteCache)
    used: Counter[ImageType] = field(default_factory=Counter)

    def picture(self, image: Image) -> Picture:
        """Any image but a surface. Keeps it where the message says so.

        Raises MissingPicture and NotInCache for what another channel may still bring, RemoteProtocolError otherwise.
        """
        kind = ImageType(image.type)
        if kind in FROM_CACHE:
            lossless = kind is ImageType.FROM_CACHE_LOSSLESS
            made = self.session.cache.picture(image.id, lossless=lossless)
        else:
            made = self._decode(image)
            if image.flags & ImageFlags.HIGH_BITS_SET and not made.alpha:
                made = replace(made, pixels=made.pixels | np.uint32(0xFF000000))
            self._cache(image, made)
        self.used[kind] += 1
        return made

    def mask(self, image: Image) -> Mask:
        """An image of one bit a pixel."""
        if image.type in FROM_CACHE:
            made = self.session.cache.mask(image.id)
        elif isinstance(image.content, Bitmap):
            made = decode_mask(image.content)
            self._cache(image, made)
        else:
            raise RemoteProtocolError(f"A mask is coded as {ImageType(image.type).name}; only bitmaps can be.")
        self.used[ImageType(image.type)] += 1
        return made

    def _cache(self, image: Image, thing: Picture | Mask) -> None:
        lossy = image.type in LOSSY
        if image.flags & ImageFlags.CACHE_ME:
            self.session.cache.put(image.id, thing, lossy=lossy)
        elif image.flags & ImageFlags.CACHE_REPLACE_ME:
            if lossy:
                raise RemoteProtocolError("A lossy picture is sent to replace one that was lossy.")
            self.session.cache.put(image.id, thing, lossy=False)

    def _decode(self, image: Image) -> Picture:
        content = image.content
        high = bool(image.flags & ImageFlags.HIGH_BITS_SET)
        match content:
            case Bitmap():
                return decode_bitmap(content, self._colors(content.palette, content.flags))
            case LzPalette():
                made = decode_lz(content.data, self._colors(content.palette, content.flags))
            case ZlibGlz():
                made = self.session.window.decode(_inflate(content), high_bits_set=high)
            case JpegAlpha():
                made = decode_jpeg_alpha(content, image.width, image.height)
            case Coded():
                made = self._decode_coded(image, content, high_bits_set=high)
            case _:
                raise RemoteProtocolError(f"An image of type {ImageType(image.type).name} is no picture of its own.")
        if (made.width, made.height) != (image.width, image.height):
            raise RemoteProtocolError(f"A picture of {image.width} by {image.height} pixels has others in it.")
        return made

    def _decode_coded(self, image: Image, content: Coded, *, high_bits_set: bool) -> Picture:
        match image.type:
            case ImageType.QUIC:
                return decode_quic(content.data)
            case ImageType.LZ_RGB:
                return decode_lz(content.data)
            case ImageType.GLZ_RGB:
                return self.session.window.decode(content.data, high_bits_set=high_bits_set)
            case ImageType.JPEG:
                return decode_jpeg(content.data, image.width, image.height)
            case _:
                return decode_lz4(content.data, image.width, image.height)

    def _colors(self, palette: Palette | int | None, flags: int) -> tuple[int, ...] | None:
        if isinstance(palette, int):
            return self.palettes.colors(palette)
        if palette is None:
            return None
        if flags & BitmapFlags.PAL_CACHE_ME:
            self.palettes.put(palette)
        return palette.colors


def _inflate(coded: ZlibGlz) -> bytes:
    if coded.glz_size > GLZ_MAX_BYTES:
        raise RemoteProtocolError(f"A picture names {coded.glz_size} bytes of GLZ, more than {GLZ_MAX_BYTES}.")
    stream = zlib.decompressobj()
    try:
        made = stream.decompress(coded.data, max(1, coded.glz_size))
    except zlib.error as exc:
        raise RemoteProtocolError("A picture's deflated bytes are none.") from exc
    if len(made) != coded.glz_size:
        raise RemoteProtocolError(f"A picture has {len(made)} bytes of GLZ instead of {coded.glz_size}.")
    return made
