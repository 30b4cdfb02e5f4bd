"""Frames of video, coded by FFmpeg's own encoders, and what is no frame."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.display_channel import VideoCodec
from frazil.spice.pictures import video
from frazil.spice.pictures.picture import Pixels
from frazil.spice.pictures.video import UNITS_MAX, VideoDecoder, decodable, decoder_of
from tests.harness import gstreamer_films
from tests.harness.films import ENCODERS, Rgb, film, psnr, scene

CODECS = tuple(ENCODERS)
LIKE_DB = 34.0
"""Smooth pictures at 4 Mbit/s, colours at half the resolution: what comes out is at least so like them."""
RED = (200, 30, 60)


def rgb(pixels: Pixels | None) -> Rgb:
    assert pixels is not None
    assert pixels.dtype == np.uint32
    return np.stack([pixels >> np.uint32(shift) & np.uint32(255) for shift in (16, 8, 0)], axis=-1).astype(np.uint8)


def decoder(codec: VideoCodec) -> VideoDecoder:
    made = decoder_of(codec)
    assert made is not None
    return made


def shot(codec: VideoCodec, width: int = 96, height: int = 64, count: int = 8) -> tuple[list[Rgb], list[bytes]]:
    pictures = [scene(width, height, number) for number in range(count)]
    return pictures, film(codec, pictures)


@pytest.mark.parametrize("size", [(96, 64), (98, 66), (322, 180)], ids=str)
@pytest.mark.parametrize("codec", CODECS)
def test_frames_are_like_what_was_coded(codec: VideoCodec, size: tuple[int, int]) -> None:
    pictures, frames = shot(codec, *size)
    one = decoder(codec)
    likeness = [
        psnr(rgb(one.decode(memoryview(frame), *size)), picture)
        for frame, picture in zip(frames, pictures, strict=True)
    ]
    assert min(likeness) > LIKE_DB, likeness


@pytest.mark.parametrize("size", gstreamer_films.SIZES, ids=str)
@pytest.mark.parametrize("codec", gstreamer_films.CODECS)
def test_frames_as_servers_code_them(codec: VideoCodec, size: tuple[int, int]) -> None:
    """The first one is of the best quality; with the other matrix it would be below 29 dB."""
    one = decoder(codec)
    seen = [rgb(one.decode(frame, *size)) for frame in gstreamer_films.frames(codec, *size)]
    likeness = [psnr(*pair) for pair in zip(seen, gstreamer_films.pictures(*size), strict=True)]
    assert likeness[0] > 34, likeness
    assert min(likeness) > 26, likeness


@pytest.mark.parametrize("codec", [VideoCodec.VP8, VideoCodec.VP9])
def test_odd_sizes(codec: VideoCodec) -> None:
    pictures, frames = shot(codec, 97, 65, 2)
    one = decoder(codec)
    for frame, picture in zip(frames, pictures, strict=True):
        assert psnr(rgb(one.decode(frame, 97, 65)), picture) > LIKE_DB


@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.VP9])
def test_colours_at_full_resolution(codec: VideoCodec) -> None:
    """GStreamer takes them for H.264 where it can."""
    pictures = [scene(96, 64, number) for number in range(2)]
    one = decoder(codec)
    for frame, picture in zip(film(codec, pictures, pixels="yuv444p"), pictures, strict=True):
        assert psnr(rgb(one.decode(frame, 96, 64)), picture) > LIKE_DB


@pytest.mark.parametrize(
    ("codec", "lines", "matrix", "full", "options"),
    [
        (VideoCodec.H264, 576, "ITU601", False, {}),
        (VideoCodec.H264, 578, "ITU709", False, {}),
        (VideoCodec.H264, 2160, "ITU709", False, {}),
        (VideoCodec.H264, 64, "BT2020", False, {"x264-params": "colormatrix=bt2020nc"}),
        (VideoCodec.H264, 64, "ITU709", False, {"x264-params": "colormatrix=bt709"}),
        (VideoCodec.H264, 578, "ITU601", False, {"x264-params": "colormatrix=smpte170m"}),
        (VideoCodec.H264, 64, "ITU601", True, {"x264-params": "fullrange=on"}),
        (VideoCodec.VP9, 64, "ITU601", True, {"color_range": "pc"}),
        (VideoCodec.VP8, 576, "ITU601", False, {}),
        (VideoCodec.VP8, 578, "ITU709", False, {}),
    ],
    ids=str,
)
def test_colours_are_those_that_were_meant(
    codec: VideoCodec, lines: int, matrix: str, full: bool, options: dict[str, str]
) -> None:
    picture = np.full((lines, 64, 3), RED, np.uint8)
    (frame,) = film(codec, [picture], matrix=matrix, full=full, options=options)
    seen = rgb(decoder(codec).decode(frame, 64, lines))
    assert np.abs(seen.astype(int) - RED).max() <= 3


@pytest.mark.parametrize("codec", CODECS)
def test_another_size_begins_anew(codec: VideoCodec) -> None:
    one = decoder(codec)
    for size in ((96, 64), (64, 48), (160, 96), (96, 64)):
        pictures, frames = shot(codec, *size, count=3)
        for frame, picture in zip(frames, pictures, strict=True):
            assert psnr(rgb(one.decode(frame, *size)), picture) > LIKE_DB


@pytest.mark.parametrize("codec", CODECS)
def test_frames_need_those_before_them(codec: VideoCodec) -> None:
    _, frames = shot(codec, count=2)
    if codec is VideoCodec.H265:
        assert decoder(codec).decode(frames[1], 96, 64) is None
    else:
        with pytest.raises(RemoteProtocolError, match="can't be decoded"):
            decoder(codec).decode(frames[1], 96, 64)


@pytest.mark.parametrize("codec", CODECS)
def test_a_frame_has_the_size_that_is_said(codec: VideoCodec) -> None:
    _, frames = shot(codec, count=1)
    with pytest.raises(RemoteProtocolError, match="98 by 64 pixels is one of 96 by 64"):
        decoder(codec).decode(frames[0], 98, 64)
    with pytest.raises(RemoteProtocolError, match="none that we show"):
        decoder(codec).decode(frames[0], 0, 64)


@pytest.mark.parametrize("codec", CODECS)
def test_no_memory_is_taken_for_a_larger_frame(codec: VideoCodec) -> None:
    """FFmpeg refuses it at its header."""
    (frame,) = film(codec, [scene(512, 512, 0)])
    with pytest.raises(RemoteProtocolError, match="can't be decoded"):
        decoder(codec).decode(frame, 64, 64)


@pytest.mark.parametrize("codec", CODECS)
def test_a_message_brings_one_frame(codec: VideoCodec) -> None:
    _, frames = shot(codec, count=1)
    for data in (b"", b"frame", bytes(100)):
        with pytest.raises(RemoteProtocolError):
            decoder(codec).decode(data, 96, 64)
    if codec in (VideoCodec.H264, VideoCodec.H265):
        with pytest.raises(RemoteProtocolError, match="more than a frame"):
            decoder(codec).decode(frames[0] + b"\0\0\1\x06\0" * UNITS_MAX, 96, 64)
    if codec is VideoCodec.H264:
        with pytest.raises(RemoteProtocolError, match="more than a frame"):
            decoder(codec).decode(frames[0] * 3, 96, 64)


@pytest.mark.parametrize("codec", CODECS)
def test_damaged_frames_make_a_picture_or_an_error(codec: VideoCodec) -> None:
    _, frames = shot(codec, count=4)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
        st.floats(0, 1),
    )
    def spoilt(changes: list[tuple[int, float, int]], kept: float) -> None:
        data = [bytearray(frame) for frame in frames]
        for number, where, value in changes:
            data[number][int(where * (len(data[number]) - 1))] = value
        data[3] = data[3][: int(kept * len(data[3]))]
        one = decoder(codec)
        for frame in data:
            try:
                pixels = one.decode(bytes(frame), 96, 64)
            except RemoteProtocolError:
                continue
            assert pixels is None or pixels.shape == (64, 96)

    spoilt()


def test_the_codecs_that_are_there() -> None:
    assert decodable() == tuple(VideoCodec)
    assert decoder_of(0) is decoder_of(6) is None


def test_without_pyav_only_mjpeg_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert decodable() == (VideoCodec.MJPEG,)
    assert decoder_of(VideoCodec.MJPEG) is not None
    assert decoder_of(VideoCodec.H264) is None


def test_an_old_pyav_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "__version__", "17.1.0")
    assert decodable() == (VideoCodec.MJPEG,)


@pytest.mark.parametrize("codec", CODECS)
def test_one_thread_is_enough(codec: VideoCodec) -> None:
    _, frames = shot(codec, 322, 180, 2)
    tasks = Path("/proc/self/task")
    before = {task.name for task in tasks.iterdir()}
    one = decoder(codec)
    assert one.decode(frames[0], 322, 180) is not None
    assert {task.name for task in tasks.iterdir()} <= before


def test_an_ffmpeg_without_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """As some systems build it."""
    monkeypatch.setitem(video._NAMES, VideoCodec.H264, "no-such-codec")
    assert VideoCodec.H264 not in decodable()
    assert decoder_of(VideoCodec.H264) is None
