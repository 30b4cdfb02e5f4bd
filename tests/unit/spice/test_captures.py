"""What the real spice-server has said, drawn again: our pixels are those that it had on its own screen."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas import area, sampling
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.display_channel import DISPLAY_FROM_SERVER, DisplayServer
from frazil.spice.draw_records import DrawOpaque
from frazil.spice.image_records import ImageType
from frazil.spice.pictures.decoder import SessionPictures
from frazil.spice.records import encode
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


@pytest.mark.parametrize("name", captures.CAPTURES)
def test_what_is_decoded_and_encoded_again_is_what_the_server_sent(name: str) -> None:
    for number, body in captures.messages(name):
        assert encode(DISPLAY_FROM_SERVER.decode(number, body)) == body, DisplayServer(number).name


def test_offsets_may_lead_anywhere_in_a_message_and_nowhere_else() -> None:
    """Records name what they lead to, so that a circle of offsets is only a short message read several times."""
    number, body = next(m for m in captures.messages("drawings") if m[0] == DisplayServer.DRAW_OPAQUE)
    whole = DISPLAY_FROM_SERVER.decode(number, body)
    assert isinstance(whole, DrawOpaque)
    at = len(encode(whole.base))
    assert struct.unpack_from("<I", body, at)[0] > at, "an offset stands here"
    outcomes = set()
    for offset in (*range(len(body) + 2), 0x7FFFFFFF, 0xFFFFFFFF):
        spoilt = bytearray(body)
        struct.pack_into("<I", spoilt, at, offset)
        try:
            DISPLAY_FROM_SERVER.decode(number, bytes(spoilt))
            outcomes.add("decoded")
        except RemoteProtocolError:
            outcomes.add("refused")
    assert outcomes == {"decoded", "refused"}


def test_every_drawing_is_in_the_capture() -> None:
    seen = drawn("drawings").drawn
    missing = [number.name for number in DisplayServer if number.name.startswith("DRAW") and not seen[number]]
    assert missing == []
    assert seen[DisplayServer.COPY_BITS]
