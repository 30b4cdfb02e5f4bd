"""Video on a surface."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.display_channel import (
    DISPLAY_FROM_SERVER,
    STREAMS_MAX,
    DisplayServer,
    StreamClip,
    StreamCreate,
    StreamData,
    StreamDataSized,
    StreamDestroy,
    SurfaceCreate,
    VideoCodec,
)
from frazil.spice.draw_records import NO_CLIP, Clip
from frazil.spice.geometry_records import Rect
from frazil.spice.pictures.decoder import SessionPictures
from frazil.spice.records import encode
from tests.harness.films import ENCODERS, Rgb, film, psnr, scene

NUMBERS = {record: number for number, record in DISPLAY_FROM_SERVER.records.items()}
TOP_DOWN, MJPEG = 1, 1
LIKE_DB = 25.0
"""Lower than in test_video: the same change of colours is over fewer pixels."""


def rect(left: int, top: int, right: int, bottom: int) -> Rect:
    return Rect(left=left, top=top, right=right, bottom=bottom)


def say(canvas: Canvas, message: Any) -> None:
    assert canvas.handle(NUMBERS[type(message)], encode(message))


def canvas() -> Canvas:
    made = Canvas(SessionPictures.of_sizes(cache_pixels=1, window_pixels=1))
    say(made, SurfaceCreate(surface_id=0, width=64, height=32, format=32, flags=1))
    return made


def stream(number: int = 3, *, flags: int = TOP_DOWN, codec: int = MJPEG, dest: Rect | None = None) -> StreamCreate:
    return StreamCreate(
        surface_id=0,
        id=number,
        flags=flags,
        codec=codec,
        stamp=0,
        stream_width=32,
        stream_height=32,
        source_width=32,
        source_height=32,
        dest=dest or rect(16, 0, 48, 32),
        clip=NO_CLIP,
    )


def jpeg(width: int = 32, height: int = 32) -> bytes:
    """White above, black below."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2] = 255
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=95)
    return file.getvalue()


def shown(of: Canvas) -> Rgb:
    assert of.primary is not None
    return of.primary.rgb()


def bright(of: Canvas) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    assert of.primary is not None
    return np.asarray(of.primary.rgb()[:, :, 0] > 128)


@pytest.mark.parametrize(("flags", "above"), [(TOP_DOWN, True), (0, False)])
def test_a_frame_takes_its_place(flags: int, above: bool) -> None:
    one = canvas()
    say(one, stream(flags=flags))
    say(one, StreamData(id=3, time_ms=0, data=jpeg()))
    seen = bright(one)
    assert seen[:16, 16:48].all() == above
    assert seen[16:, 16:48].all() != above
    assert not seen[:, :16].any()
    assert not seen[:, 48:].any()


def test_frames_are_scaled_clipped_and_come_in_other_sizes() -> None:
    one = canvas()
    say(one, stream(dest=rect(0, 0, 64, 16)))
    say(one, StreamClip(id=3, clip=Clip(type=1, rects=(rect(0, 0, 8, 32), rect(60, 0, 99, 4)))))
    say(one, StreamData(id=3, time_ms=0, data=jpeg()))
    assert bright(one).sum() == 8 * 8 + 4 * 4
    other = StreamDataSized(id=3, time_ms=1, width=16, height=8, dest=rect(0, 16, 64, 32), data=jpeg(16, 8))
    say(one, other)
    assert bright(one)[16:].sum() == 8 * 8


def test_streams_end() -> None:
    one = canvas()
    say(one, stream(3))
    say(one, stream(4))
    say(one, StreamDestroy(id=3))
    assert len(one.streams) == 1
    say(one, stream(3))
    one.handle(DisplayServer.STREAM_DESTROY_ALL, b"")
    assert len(one.streams) == 0


def test_codecs_that_can_not_be_decoded_are_passed_over_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    one = canvas()
    say(one, stream(codec=VideoCodec.VP8))
    say(one, StreamData(id=3, time_ms=0, data=b"frame"))
    assert one.frames_not_shown == 1
    assert not bright(one).any()


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_film_is_shown(codec: VideoCodec) -> None:
    """In its place, frame after frame, in another size, clipped, and begun again."""
    one = canvas()
    pictures = [scene(32, 32, number) for number in range(4)]
    frames = film(codec, pictures)
    say(one, stream(codec=codec))
    for frame, picture in zip(frames, pictures, strict=True):
        say(one, StreamData(id=3, time_ms=0, data=frame))
        assert psnr(shown(one)[:, 16:48], picture) > LIKE_DB
    assert not shown(one)[:, :16].any()
    smaller = [scene(24, 24, number) for number in range(2)]
    for frame, picture in zip(film(codec, smaller), smaller, strict=True):
        say(one, StreamDataSized(id=3, time_ms=1, width=24, height=24, dest=rect(0, 0, 24, 24), data=frame))
        assert psnr(shown(one)[:24, :24], picture) > LIKE_DB
    say(one, StreamDestroy(id=3))
    say(one, stream(codec=codec, flags=0))
    say(one, StreamClip(id=3, clip=Clip(type=1, rects=(rect(40, 0, 64, 32),))))
    before = shown(one)
    say(one, StreamData(id=3, time_ms=0, data=frames[0]))
    assert psnr(shown(one)[:, 40:48], pictures[0][::-1, 24:]) > LIKE_DB
    assert np.array_equal(shown(one)[:, :40], before[:, :40])
    assert one.frames_not_shown == 0


def test_frames_of_which_no_picture_comes_out_are_counted() -> None:
    one = canvas()
    say(one, stream(codec=VideoCodec.H265))
    say(one, StreamData(id=3, time_ms=0, data=film(VideoCodec.H265, [scene(32, 32, n) for n in range(2)])[1]))
    assert one.frames_not_shown == 1


def test_decoders_keep_frames_within_bounds() -> None:
    one = canvas()
    for number in (1, 2):
        say(one, stream(number, codec=VideoCodec.VP8))
    frame = film(VideoCodec.VP8, [scene(32, 32, 0)])[0]
    sized = StreamDataSized(id=1, time_ms=1, width=4096, height=4096, dest=rect(0, 0, 9, 9), data=frame)
    with pytest.raises(RemoteProtocolError, match="one of 32 by 32"):
        say(one, sized)
    with pytest.raises(RemoteProtocolError, match="16777216 pixels together"):
        say(one, replace(sized, id=2, width=32, height=32))
    say(one, StreamDestroy(id=1))
    say(one, replace(sized, id=2, width=32, height=32))


BAD = {
    "a stream twice": (stream(), stream()),
    "no such number": (stream(STREAMS_MAX),),
    "no stream": (StreamData(id=1, time_ms=0, data=jpeg()),),
    "no stream to clip": (StreamClip(id=1, clip=NO_CLIP),),
    "no stream to end": (StreamDestroy(id=1),),
    "no JPEG": (stream(), StreamData(id=3, time_ms=0, data=b"frame")),
    "no VP8": (stream(codec=VideoCodec.VP8), StreamData(id=3, time_ms=0, data=jpeg())),
    "another size": (stream(), StreamData(id=3, time_ms=0, data=jpeg(16, 8))),
    "no pixels to be shown in": (stream(dest=rect(5, 5, 5, 9)), StreamData(id=3, time_ms=0, data=jpeg())),
}


@pytest.mark.parametrize("messages", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(messages: tuple[Any, ...]) -> None:
    one = canvas()
    for message in messages[:-1]:
        say(one, message)
    with pytest.raises(RemoteProtocolError):
        say(one, messages[-1])


def test_a_stream_of_a_surface_that_is_gone_is_refused() -> None:
    one = canvas()
    say(one, stream())
    one.surfaces.clear()
    with pytest.raises(RemoteProtocolError, match="surface 0"):
        say(one, StreamData(id=3, time_ms=0, data=jpeg()))
