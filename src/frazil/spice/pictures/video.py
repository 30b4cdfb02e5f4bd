"""Frames of video: MJPEG by Pillow, VP8, H.264, VP9 and H.265 by PyAV (FFmpeg) where it is installed.

    decoder = decoder_of(VideoCodec.H264)
    pixels = decoder.decode(data, 1280, 720)

Colours: a frame that says its matrix and range is taken at its word, but for VP8, whose header can't say it. For one
that doesn't, it is as GStreamer codes, since spice-server does it by that and spice-gtk decodes with it: BT.601 up to
576 lines, BT.709 above, in the range from 16 to 235.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice import pyav
from frazil.spice.display_channel import VideoCodec
from frazil.spice.fields import Buffer
from frazil.spice.pictures.jpeg import decode_jpeg
from frazil.spice.pictures.picture import Pixels, check_size

if TYPE_CHECKING:
    from av import VideoCodecContext, VideoFrame

UNITS_MAX = 256
"""NAL units in a frame. x264 makes a slice for each of at most 128 threads; each may cost as much as a whole frame."""
FIELDS_MAX = 2
"""First slices in a frame: both halves of an interlaced one. FFmpeg would decode any number of frames at once."""
_BLOCK = 128
"""Coders work on whole blocks, FFmpeg on whole vector registers: a frame may be padded to this, in both directions."""
_NAMES = {VideoCodec.VP8: "vp8", VideoCodec.H264: "h264", VideoCodec.VP9: "vp9", VideoCodec.H265: "hevc"}
"""FFmpeg's."""
_UNIT = re.compile(rb"\0\0\x01(?=(.)(.))", re.DOTALL)
"""A NAL unit's start, header, and first byte behind that of H.264."""
_LOW_DELAY = 1 << 19
"""`AV_CODEC_FLAG_LOW_DELAY`: a frame comes out as soon as it is decoded; servers send none ahead of its turn."""
_EXACT = 0x2 | 0x2000 | 0x40000
"""`SWS_BILINEAR`, `SWS_FULL_CHR_H_INT`, `SWS_ACCURATE_RND`. The quick way spoils the last columns of a width that is no
multiple of 8."""
_LIMITED, _FULL = 1, 2
"""`AVCOL_RANGE_MPEG`, `AVCOL_RANGE_JPEG`."""
_BT709, _BT601, _BT2020 = 1, 5, 9
"""`SWS_CS_ITU709`, `SWS_CS_ITU601`, `SWS_CS_BT2020`."""
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}
"""Of the numbers in bit streams (ITU-T H.273, table 4) to `SWS_CS_*`."""


class VideoDecoder(Protocol):
    """Of one stream."""

    def decode(self, data: Buffer, width: int, height: int) -> Pixels | None:
        """The picture of that size which a message's frame makes, the first line first; None where it makes none.

        Raises RemoteProtocolError for what is no frame, or one of another size.
        """


def decodable() -> tuple[VideoCodec, ...]:
    """What can be decoded here: MJPEG always, the others where PyAV is installed and its FFmpeg has them."""
    return tuple(codec for codec in VideoCodec if codec is VideoCodec.MJPEG or pyav.knows(_NAMES[codec], "r"))


def decoder_of(codec: int) -> VideoDecoder | None:
    """One for another stream of a `VideoCodec`; None for what can't be decoded here."""
    if codec == VideoCodec.MJPEG:
        return MjpegDecoder()
    if codec not in _NAMES or not pyav.knows(_NAMES[VideoCodec(codec)], "r"):
        return None
    return FFmpegDecoder(VideoCodec(codec))


class MjpegDecoder:
    """Each frame is a JPEG picture."""

    def decode(self, data: Buffer, width: int, height: int) -> Pixels | None:
        return decode_jpeg(data, width, height).pixels


class FFmpegDecoder:
    """Frames that build on earlier ones. Those of another size begin anew, as the server's coder does.

    FFmpeg runs in one thread, and takes no frame that is larger than what the message says and the padding of it.
    """

    def __init__(self, codec: VideoCodec) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._av = av
        self._codec = codec
        self._size = (0, 0)
        self._context: VideoCodecContext | None = None
        self._reformatter = VideoReformatter()

    def decode(self, data: Buffer, width: int, height: int) -> Pixels | None:
        check_size(width, height)
        coded = bytes(data)
        self._check(coded)
        if self._context is None or self._size != (width, height):
            self._context = self._begin(width, height)
            self._size = (width, height)
        try:
            frames = self._context.decode(self._av.Packet(coded))
            if not frames:
                return None
            if len(frames) > 1:
                raise RemoteProtocolError(f"A message brings {len(frames)} frames of {self._codec.name}, not one.")
            frame = frames[0]
            if (frame.width, frame.height) != (width, height):
                raise RemoteProtocolError(
                    f"A frame of {width} by {height} pixels is one of {frame.width} by {frame.height}."
                )
            return self._pixels(frame)
        except self._av.FFmpegError as exc:
            raise RemoteProtocolError(f"A frame of {self._codec.name} can't be decoded: {exc.strerror}.") from exc

    def _check(self, coded: bytes) -> None:
        if not coded:
            raise RemoteProtocolError(f"A frame of {self._codec.name} is empty.")
        if self._codec not in (VideoCodec.H264, VideoCodec.H265):
            return
        fields = 0
        for number, unit in enumerate(_UNIT.finditer(coded)):
            fields += self._codec is VideoCodec.H264 and unit[1][0] & 31 in (1, 5) and unit[2][0] >= 128
            if number >= UNITS_MAX or fields > FIELDS_MAX:
                raise RemoteProtocolError(f"A message brings more than a frame of {self._codec.name}.")

    def _begin(self, width: int, height: int) -> VideoCodecContext:
        context = self._av.CodecContext.create(_NAMES[self._codec], "r")
        assert isinstance(context, self._av.VideoCodecContext)
        context.thread_count = 1
        context.flags |= _LOW_DELAY
        context.options = {"max_pixels": str(_padded(width) * _padded(height))}
        return context

    def _pixels(self, frame: VideoFrame) -> Pixels:
        full = frame.format.is_rgb or (frame.color_range == _FULL and self._codec is not VideoCodec.VP8)
        matrix = None if self._codec is VideoCodec.VP8 else _MATRICES.get(frame.colorspace)
        made = self._reformatter.reformat(
            frame,
            format="bgra",
            src_colorspace=matrix or _usual_matrix(frame.height),
            src_color_range=_FULL if full else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_EXACT,
            threads=1,
        )
        return np.ascontiguousarray(made.to_ndarray()).view("<u4")[:, :, 0]


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _usual_matrix(lines: int) -> int:
    return _BT709 if lines > 576 else _BT601
