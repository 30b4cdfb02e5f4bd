"""From images of messages to pictures: by type, from caches, and within bounds."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

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
    SurfaceImage,
    ZlibGlz,
)
from frazil.spice.pictures.caches import PALETTES_MAX, NotInCache, PaletteCache, PictureCache
from frazil.spice.pictures.decoder import PictureDecoder, SessionPictures
from frazil.spice.pictures.picture import Picture

RED = 0xFF0000


def decoder(cache_pixels: int = 1000) -> PictureDecoder:
    return PictureDecoder(SessionPictures.of_sizes(cache_pixels=cache_pixels, window_pixels=1000))


def image(kind: ImageType, content: Any, *, flags: int = 0, number: int = 1, width: int = 2, height: int = 1) -> Image:
    return Image(id=number, type=kind, flags=flags, width=width, height=height, content=content)


def plain(color: int = RED) -> Bitmap:
    return Bitmap(format=8, flags=4, width=2, height=1, stride=8, palette=None, data=struct.pack("<II", color, color))


def jpeg(width: int = 2, height: int = 1, color: tuple[int, int, int] = (255, 0, 0), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (width, height), color).convert(mode).save(file, "JPEG", quality=95)
    return file.getvalue()


def lz(kind: int, data: bytes, *, width: int = 2, height: int = 1, stride: int = 8, top_down: bool = True) -> bytes:
    return b"  ZL" + struct.pack(">6I", 0x00010001, kind, width, height, stride, top_down) + data


GLZ = b"  ZL" + struct.pack(">IB3IQI", 0x00010001, 8 | 16, 2, 1, 8, 0, 0) + bytes([1, 0, 0, 255, 0, 0, 255])
LZ = lz(8, bytes([1, 0, 0, 255, 0, 0, 255]))
LZ4 = bytes([1, 8]) + struct.pack(">I", 9) + bytes([0x80]) + struct.pack("<II", RED, RED)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (ImageType.BITMAP, plain()),
        (ImageType.LZ_RGB, Coded(data=LZ)),
        (ImageType.GLZ_RGB, Coded(data=GLZ)),
        (ImageType.ZLIB_GLZ_RGB, ZlibGlz(glz_size=len(GLZ), data=zlib.compress(GLZ))),
        (ImageType.LZ4, Coded(data=LZ4)),
        (
            ImageType.LZ_PLT,
            LzPalette(
                flags=0,
                data_size=31,
                palette=Palette(unique=1, colors=(0, RED)),
                data=lz(5, bytes([1, 1, 1]), stride=2),
            ),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, ImageType) else "",
)
def test_each_type_is_decoded_and_counted(kind: ImageType, content: Any) -> None:
    one = decoder()
    assert one.picture(image(kind, content)).pixels.tolist() == [[RED, RED]]
    assert one.used == {kind: 1}


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg(mode: str) -> None:
    made = decoder().picture(image(ImageType.JPEG, Coded(data=jpeg(color=(200, 200, 200), mode=mode))))
    assert np.abs(made.pixels.view(np.uint8).reshape(-1, 4)[:, :3].astype(int) - 200).max() < 8
    assert not made.alpha


@pytest.mark.parametrize("top_down", [True, False])
def test_jpeg_with_alpha(top_down: bool) -> None:
    data = jpeg(1, 2)
    alpha = lz(10, bytes([1, 7, 9]), width=1, height=2, stride=4, top_down=top_down)
    content = JpegAlpha(flags=int(top_down), jpeg_size=len(data), data=data + alpha)
    made = decoder().picture(image(ImageType.JPEG_ALPHA, content, width=1, height=2))
    assert (made.pixels >> 24).tolist() == ([[7], [9]] if top_down else [[9], [7]])
    assert made.alpha


def test_what_is_to_be_kept_comes_from_the_cache() -> None:
    one = decoder()
    one.picture(image(ImageType.BITMAP, plain(), flags=ImageFlags.CACHE_ME, number=7))
    for kind in (ImageType.FROM_CACHE, ImageType.FROM_CACHE_LOSSLESS):
        assert one.picture(image(kind, None, number=7)).pixels.tolist() == [[RED, RED]]
    with pytest.raises(NotInCache) as missing:
        one.picture(image(ImageType.FROM_CACHE, None, number=8))
    assert missing.value.number == 8
    one.session.cache.forget([7, 99])
    assert len(one.session.cache) == 0


def test_a_lossy_picture_is_not_what_a_lossless_one_is_asked_for() -> None:
    one = decoder()
    one.picture(image(ImageType.JPEG, Coded(data=jpeg()), flags=ImageFlags.CACHE_ME))
    one.picture(image(ImageType.FROM_CACHE, None))
    with pytest.raises(NotInCache):
        one.picture(image(ImageType.FROM_CACHE_LOSSLESS, None))
    one.picture(image(ImageType.BITMAP, plain(), flags=ImageFlags.CACHE_REPLACE_ME))
    assert one.picture(image(ImageType.FROM_CACHE_LOSSLESS, None)).pixels.tolist() == [[RED, RED]]
    with pytest.raises(RemoteProtocolError, match="lossy"):
        one.picture(image(ImageType.JPEG, Coded(data=jpeg()), flags=ImageFlags.CACHE_REPLACE_ME))


def test_high_bits_are_set_where_the_message_says_so() -> None:
    made = decoder().picture(image(ImageType.BITMAP, plain(), flags=ImageFlags.HIGH_BITS_SET))
    assert made.pixels.tolist() == [[0xFFFF0000] * 2]


def test_palettes_are_kept() -> None:
    one = decoder()

    def indexes(flags: int, palette: Palette | int) -> Bitmap:
        return Bitmap(format=5, flags=flags, width=2, height=1, stride=2, palette=palette, data=b"\1\1")

    first = indexes(BitmapFlags.PAL_CACHE_ME, Palette(unique=5, colors=(0, RED)))
    second = indexes(BitmapFlags.PAL_FROM_CACHE, 5)
    assert one.picture(image(ImageType.BITMAP, first)).pixels.tolist() == [[RED, RED]]
    assert one.picture(image(ImageType.BITMAP, second)).pixels.tolist() == [[RED, RED]]
    one.palettes.forget(5)
    with pytest.raises(RemoteProtocolError, match="palette 0x5"):
        one.picture(image(ImageType.BITMAP, second))


def test_masks_are_kept_and_are_no_pictures() -> None:
    one = decoder()
    bits = Bitmap(format=1, flags=4, width=2, height=1, stride=1, palette=None, data=b"\1")
    made = one.mask(image(ImageType.BITMAP, bits, flags=ImageFlags.CACHE_ME))
    assert made.tolist() == [[True, False]]
    assert one.mask(image(ImageType.FROM_CACHE, None)).tolist() == [[True, False]]
    with pytest.raises(RemoteProtocolError, match="no picture"):
        one.picture(image(ImageType.FROM_CACHE, None))
    one.picture(image(ImageType.BITMAP, plain(), flags=ImageFlags.CACHE_ME))
    with pytest.raises(RemoteProtocolError, match="no mask"):
        one.mask(image(ImageType.FROM_CACHE, None))
    with pytest.raises(NotInCache):
        one.mask(image(ImageType.FROM_CACHE, None, number=4))
    with pytest.raises(RemoteProtocolError, match="QUIC"):
        one.mask(image(ImageType.QUIC, Coded(data=b"")))


BAD = {
    "a surface": image(ImageType.SURFACE, SurfaceImage(surface_id=0)),
    "another size": image(ImageType.LZ_RGB, Coded(data=LZ), width=1),
    "no JPEG": image(ImageType.JPEG, Coded(data=b"JPEG")),
    "half a JPEG": image(ImageType.JPEG, Coded(data=jpeg(2, 1)[:200])),
    "a JPEG of another size": image(ImageType.JPEG, Coded(data=jpeg(3, 3))),
    "a JPEG that claims to be of four milliard pixels": image(
        ImageType.JPEG, Coded(data=jpeg(2, 1).replace(b"\0\x01\0\x02\x03", b"\xff\xff\xff\xff\x03"))
    ),
    "another file": image(ImageType.JPEG, Coded(data=b"GIF89a" + bytes(40))),
    "no alpha": image(ImageType.JPEG_ALPHA, JpegAlpha(flags=1, jpeg_size=999, data=jpeg())),
    "alpha the other way up": image(
        ImageType.JPEG_ALPHA, JpegAlpha(flags=0, jpeg_size=len(jpeg()), data=jpeg() + lz(10, bytes([1, 7, 9])))
    ),
    "nothing deflated": image(ImageType.ZLIB_GLZ_RGB, ZlibGlz(glz_size=10, data=b"none")),
    "too little deflated": image(ImageType.ZLIB_GLZ_RGB, ZlibGlz(glz_size=999, data=zlib.compress(GLZ))),
    "a bomb": image(ImageType.ZLIB_GLZ_RGB, ZlibGlz(glz_size=0xFFFFFFFF, data=zlib.compress(bytes(1 << 16)))),
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(wrong: Image) -> None:
    with pytest.raises(RemoteProtocolError):
        decoder().picture(wrong)


def test_caches_have_bounds() -> None:
    cache = PictureCache(4)
    picture = Picture(np.zeros((1, 2), np.uint32))
    cache.put(1, picture, lossy=False)
    cache.put(2, picture, lossy=False)
    cache.put(2, picture, lossy=False)
    with pytest.raises(RemoteProtocolError, match="more than 4"):
        cache.put(3, picture, lossy=False)
    cache.clear()
    cache.put(3, picture, lossy=False)
    palettes = PaletteCache()
    for number in range(PALETTES_MAX):
        palettes.put(Palette(unique=number, colors=()))
    palettes.put(Palette(unique=0, colors=(1,)))
    with pytest.raises(RemoteProtocolError, match="more than"):
        palettes.put(Palette(unique=PALETTES_MAX, colors=()))
    palettes.clear()
    palettes.put(Palette(unique=PALETTES_MAX, colors=()))
