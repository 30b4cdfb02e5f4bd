"""JPEG pictures, and those with an LZ picture of their alpha behind (spice-common `canvas_base.c`)."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from frazil.model.errors import RemoteProtocolError
from frazil.spice.fields import Buffer
from frazil.spice.image_records import JpegAlpha
from frazil.spice.pictures.lz import decode_alpha
from frazil.spice.pictures.picture import Picture, Pixels, check_size, with_alpha

ALPHA_TOP_DOWN = 1
_TOO_LARGE = (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning)
"""A file whose own header claims more pixels than Pillow is ready to look at: none that anybody asked for."""


def decode_jpeg(data: Buffer, width: int, height: int) -> Picture:
    """A JPEG file of that size."""
    return Picture(_colors(data, width, height))


def decode_jpeg_alpha(coded: JpegAlpha, width: int, height: int) -> Picture:
    """Colours of JPEG, alpha of LZ."""
    if coded.jpeg_size > len(coded.data):
        raise RemoteProtocolError("A JPEG picture has no alpha behind it.")
    pixels = _colors(coded.data[: coded.jpeg_size], width, height)
    header, alpha = decode_alpha(coded.data[coded.jpeg_size :])
    top_down = bool(coded.flags & ALPHA_TOP_DOWN)
    if (header.width, header.height, header.top_down) != (width, height, top_down):
        raise RemoteProtocolError("A JPEG picture's alpha is of another size or the other way up.")
    if not top_down:
        return Picture(with_alpha(pixels[::-1], alpha)[::-1], alpha=True)
    return Picture(with_alpha(pixels, alpha), alpha=True)


def _colors(data: Buffer, width: int, height: int) -> Pixels:
    check_size(width, height)
    try:
        with Pillow.open(io.BytesIO(data), formats=["JPEG"]) as file:
            if file.size != (width, height):
                raise RemoteProtocolError(f"A JPEG picture of {width} by {height} pixels is one of {file.size}.")
            words = file.convert("RGB").tobytes("raw", "BGRX")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, *_TOO_LARGE) as exc:
        raise RemoteProtocolError("A JPEG picture is none.") from exc
    return np.frombuffer(words, "<u4").reshape(height, width)
