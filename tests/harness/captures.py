"""What the real spice-server has said, kept as files: `python -m tests.harness.captures` makes them anew.

A capture is the display channel's messages behind their mini headers, deflated, and a picture of what the server itself
had on its screen when they were said. Unit tests draw after them without a server.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from frazil.spice.display_channel import SurfaceDestroy
from frazil.spice.draw_records import DrawBlackness, DrawInvers, DrawWhiteness, ScaleMode, StringFlags
from frazil.spice.framing import HeaderKind, MessageParser
from frazil.spice.image_records import BitmapFormat, ImageCompression, ImageFlags
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import Twice, drawn_twice, put
from tests.harness.qxl_card import ALWAYS, NEVER, CardSettings

PLACE = Path(__file__).parent.parent / "unit" / "spice" / "captures"
WIDTH, HEIGHT = 96, 64
DRAWINGS_SEED = 3
FORMATS = (
    BitmapFormat.BIT1_BE,
    BitmapFormat.BIT4_BE,
    BitmapFormat.BIT8,
    BitmapFormat.BIT16,
    BitmapFormat.BIT24,
    BitmapFormat.BIT32,
    BitmapFormat.RGBA,
)


def pictures(twice: Twice, artist: Artist) -> None:
    """A picture of each format, and each one once more from the cache."""
    for form in FORMATS:
        image = artist.picture(32, 20, form=form, flags=ImageFlags.CACHE_ME)
        for _ in range(2):
            twice.draw(put(image, left=artist.random.randrange(60), top=artist.random.randrange(40)))
    again = artist.picture(64, 30)
    twice.draw(put(again))
    twice.draw(put(artist.picture(64, 30), left=20, top=30))


def smooth(twice: Twice, artist: Artist) -> None:
    for form in (BitmapFormat.BIT32, BitmapFormat.RGBA):
        twice.draw(put(artist.smooth(form, WIDTH - 8, HEIGHT - 8), left=artist.random.randrange(8)))


def drawings(twice: Twice, artist: Artist) -> None:
    """Each operation, some of them in several ways."""
    twice.make_surfaces(artist, width=artist.width, height=artist.height)
    for draw in (
        lambda: put(artist.picture(artist.width, artist.height)),
        artist.fill,
        artist.copy,
        lambda: artist.copy(scaled=True),
        lambda: artist.copy(scaled=True, mode=ScaleMode.INTERPOLATE),
        artist.blend,
        artist.opaque,
        artist.rop3,
        lambda: artist.plain(DrawBlackness),
        lambda: artist.plain(DrawWhiteness),
        lambda: artist.plain(DrawInvers),
        artist.copy_bits,
        artist.transparent,
        artist.alpha_blend,
        lambda: artist.alpha_blend(scaled=True),
        artist.stroke,
        lambda: artist.stroke(curved=True),
        artist.dashes,
        artist.text,
        lambda: artist.text(StringFlags.RASTER_A4),
        artist.composite,
        artist.composite,
        lambda: artist.composite(transform=True),
        lambda: artist.composite(transform=True, smooth=True),
    ):
        twice.draw(draw())
    twice.draw(SurfaceDestroy(surface_id=1))


def card(compression: ImageCompression, *, wan: int = NEVER, width: int = WIDTH, height: int = HEIGHT) -> CardSettings:
    """`wan`: whether pictures are coded as over a slow line, with loss and deflated."""
    return CardSettings(width=width, height=height, compression=compression, zlib=wan, jpeg=wan)


CAPTURES: dict[str, tuple[int, CardSettings, Callable[[Twice, Artist], None]]] = {
    "off": (100, card(ImageCompression.OFF), pictures),
    "lz": (101, card(ImageCompression.LZ), pictures),
    "quic": (102, card(ImageCompression.QUIC), pictures),
    "glz": (103, card(ImageCompression.GLZ), pictures),
    "zlib-glz": (104, card(ImageCompression.GLZ, wan=ALWAYS), pictures),
    "lz4": (105, card(ImageCompression.LZ4), pictures),
    "jpeg": (106, card(ImageCompression.QUIC, wan=ALWAYS), smooth),
    "drawings": (DRAWINGS_SEED, card(ImageCompression.LZ, width=64, height=48), drawings),
}
"""The seeds are such that nothing is drawn in vain: with others a clip may leave nothing of a drawing."""


def messages(name: str) -> list[tuple[int, bytes]]:
    """Numbers and bodies of a capture."""
    stream = zlib.decompress((PLACE / f"{name}.spice").read_bytes())
    return [(message.type, bytes(message.body)) for message in MessageParser(HeaderKind.MINI).feed(stream)]


def screen(name: str) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Height × width × 3: what the server had drawn."""
    with Pillow.open(PLACE / f"{name}.png") as file:
        made: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]] = np.asarray(file.convert("RGB"))
    return made


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    for name, (seed, settings, make) in CAPTURES.items():
        with drawn_twice(settings) as twice:
            make(twice, Artist(seed, settings.width, settings.height))
            raw = twice.draw()
            rgb = raw.view(np.uint8).reshape(settings.height, settings.width, 4)[:, :, 2::-1]
            Pillow.fromarray(np.ascontiguousarray(rgb)).save(PLACE / f"{name}.png", optimize=True)
            (PLACE / f"{name}.spice").write_bytes(zlib.compress(bytes(twice.recorder.stream), 9))


if __name__ == "__main__":
    main()
