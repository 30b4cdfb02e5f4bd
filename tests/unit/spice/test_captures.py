"""What the real spice-server has said, drawn again: our pixels are those that it had on its own screen."""

from __future__ import annotations

import numpy as np
import pytest

from frazil.spice.canvas import area, sampling
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.display_channel import DisplayServer
from frazil.spice.image_records import ImageType
from frazil.spice.pictures.decoder import SessionPictures
from tests.harness import captures

JPEG_ERROR_MAX = 24
"""How far a channel of a smooth picture may be off at the quality that spice-server asks of JPEG (85)."""


def drawn(name: str) -> Canvas:
    canvas = Canvas(SessionPictures.of_sizes(cache_pixels=1 << 20, window_pixels=1 << 20))
    for number, body in captures.messages(name):
        canvas.handle(number, body)
    return canvas


def rgb(canvas: Canvas) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    assert canvas.primary is not None
    return canvas.primary.rgb()


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("off", {ImageType.BITMAP, ImageType.FROM_CACHE}),
        ("lz", {ImageType.LZ_RGB, ImageType.LZ_PLT, ImageType.FROM_CACHE}),
        ("quic", {ImageType.QUIC}),
        ("glz", {ImageType.GLZ_RGB}),
        ("zlib-glz", {ImageType.ZLIB_GLZ_RGB, ImageType.FROM_CACHE_LOSSLESS}),
        ("lz4", {ImageType.LZ4}),
        ("drawings", {ImageType.LZ_RGB}),
    ],
)
def test_a_capture_gives_the_servers_screen(name: str, kinds: set[ImageType]) -> None:
    canvas = drawn(name)
    assert kinds <= set(canvas.pictures.used)
    assert np.array_equal(rgb(canvas), captures.screen(name))


def test_pictures_are_blended_in_bands_of_any_height(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (area, sampling):
        monkeypatch.setattr(module, "BAND_PIXELS", 100)
    assert np.array_equal(rgb(drawn("drawings")), captures.screen("drawings"))


def test_a_lossy_capture_is_near() -> None:
    canvas = drawn("jpeg")
    assert {ImageType.JPEG, ImageType.JPEG_ALPHA} <= set(canvas.pictures.used)
    error = np.abs(rgb(canvas).astype(int) - captures.screen("jpeg")).max()
    assert 0 < error <= JPEG_ERROR_MAX


def test_every_drawing_is_in_the_capture() -> None:
    seen = drawn("drawings").drawn
    missing = [number.name for number in DisplayServer if number.name.startswith("DRAW") and not seen[number]]
    assert missing == []
    assert seen[DisplayServer.COPY_BITS]
