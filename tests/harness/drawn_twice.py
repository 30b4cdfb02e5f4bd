"""The same drawings by spice-server itself and by our canvas, which hears of them over a link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from frazil.spice.canvas.pointer import Pointer
from frazil.spice.canvas.surface import Surface
from frazil.spice.channels import ChannelType
from frazil.spice.cursor_channel import CursorServer, CursorShape
from frazil.spice.display_channel import SurfaceCreate, SurfaceFormat
from frazil.spice.draw_records import (
    NO_CLIP,
    NO_MASK,
    Brush,
    BrushType,
    DisplayBase,
    DrawCopy,
    DrawFill,
    Rop,
    ScaleMode,
)
from frazil.spice.geometry_records import Rect
from frazil.spice.image_records import BitmapFormat, Image
from tests.harness.drawings import Artist
from tests.harness.qxl_card import Card, CardSettings, qxl_card
from tests.harness.spice_recorder import CACHE_PIXELS, WINDOW_PIXELS, Recorder, recording

MEANT = {
    SurfaceFormat.XRGB32: 0x00FFFFFF,
    SurfaceFormat.ARGB32: 0xFFFFFFFF,
    SurfaceFormat.RGB555: 0x7FFF,
    SurfaceFormat.RGB565: 0xFFFF,
}
"""Which bits of a pixel mean something."""
PICTURES = {SurfaceFormat.ARGB32: BitmapFormat.RGBA}
"""What is put on a surface of alpha first: with other pictures colours would be more than their alpha allows."""
PIXEL = Rect(left=0, top=0, right=1, bottom=1)


class Twice:
    """A card, and the recorder that follows it."""

    def __init__(self, card: Card, recorder: Recorder, settings: CardSettings) -> None:
        self._card = card
        self.recorder = recorder
        self._settings = settings
        self._count = 0

    @property
    def ours(self) -> Surface:
        """Our primary surface."""
        surface = self.recorder.canvas.primary
        assert surface is not None
        return surface

    def draw(self, *records: object) -> npt.NDArray[Any]:
        """Draw, wait until it is drawn here too, and return what the server has made of it.

        A pixel in the corner is coloured last: a drawing that has no effect is never sent, that pixel always is.
        """
        self._count += 1
        mark = 0x100 | self._count & 0xFF
        self._card.draw(*records, fill(PIXEL, mark))
        theirs = self._card.screen()
        self.recorder.take_until(mark)
        return theirs

    def differing(self, theirs: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Where our pixels are others than the server's, in bits that mean something."""
        meant = theirs.dtype.type(MEANT[self._settings.format])
        return np.asarray((self.ours.raw ^ theirs) & meant != 0)

    def point(self, x: int, y: int, shape: CursorShape) -> Pointer:
        """Give the pointer a shape and a place, and return ours when it has them."""
        self._card.point(x, y, shape)
        while self.recorder.take(ChannelType.CURSOR)[0] != CursorServer.SET:
            pass
        return self.recorder.pointer

    def make_surfaces(self, artist: Artist, *, width: int = 256, height: int = 192) -> None:
        """Two more surfaces with pictures on them, which `artist` may draw from."""
        alpha = SurfaceFormat.ARGB32 if self._settings.format is SurfaceFormat.XRGB32 else self._settings.format
        form = self._settings.format
        for number, kind, wide, high in ((1, form, width // 2, height // 2), (2, alpha, width, height)):
            made = SurfaceCreate(surface_id=number, width=wide, height=high, format=kind, flags=0)
            picture = artist.picture(wide, high, form=PICTURES.get(kind, BitmapFormat.BIT32))
            self.draw(made, put(picture, surface=number))
            artist.surfaces[number] = (wide, high)


def fill(box: Rect, color: int) -> DrawFill:
    """A plain box."""
    return DrawFill(
        base=DisplayBase(surface_id=0, box=box, clip=NO_CLIP),
        brush=Brush(type=BrushType.SOLID, content=color),
        rop=Rop.OP_PUT,
        mask=NO_MASK,
    )


def put(image: Image, *, left: int = 0, top: int = 0, surface: int = 0) -> DrawCopy:
    """A picture as it is."""
    part = Rect(left=0, top=0, right=image.width, bottom=image.height)
    box = Rect(left=left, top=top, right=left + image.width, bottom=top + image.height)
    return DrawCopy(
        base=DisplayBase(surface_id=surface, box=box, clip=NO_CLIP),
        source=image,
        source_area=part,
        rop=Rop.OP_PUT,
        scale_mode=ScaleMode.NEAREST,
        mask=NO_MASK,
    )


@contextmanager
def drawn_twice(
    settings: CardSettings, *, cache_pixels: int = CACHE_PIXELS, window_pixels: int = WINDOW_PIXELS
) -> Iterator[Twice]:
    """Start a server with a card, and follow it with caches of these sizes."""
    with (
        qxl_card(settings) as card,
        recording(card.port, cache_pixels=cache_pixels, window_pixels=window_pixels) as recorder,
    ):
        twice = Twice(card, recorder, settings)
        twice.draw()
        yield twice
