"""Films in the codecs of video streams, made by PyAV's encoders as spice-server's GStreamer sets its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace, VideoReformatter

from frazil.spice.display_channel import VideoCodec

Rgb = npt.NDArray[np.uint8]
ENCODERS = {
    VideoCodec.VP8: "libvpx",
    VideoCodec.H264: "libx264",
    VideoCodec.VP9: "libvpx-vp9",
    VideoCodec.H265: "libx265",
}
_VPX = {"deadline": "realtime", "cpu-used": "4", "lag-in-frames": "0"}
_OPTIONS = {
    VideoCodec.VP8: {**_VPX, "error-resilient": "default"},
    VideoCodec.H264: {"tune": "zerolatency", "preset": "ultrafast", "crf": "18", "intra-refresh": "1", "aud": "1"},
    VideoCodec.VP9: _VPX,
    VideoCodec.H265: {"tune": "zerolatency", "preset": "ultrafast", "x265-params": "log-level=none"},
}
_EXACT = 0x2 | 0x2000 | 0x40000


def scene(width: int, height: int, number: int) -> Rgb:
    """Colours that change slowly over the picture, and a box that moves: height × width × 3."""
    y, x = np.mgrid[0:height, 0:width]
    made = np.empty((height, width, 3), np.uint8)
    made[..., 0] = x * 255 // width
    made[..., 1] = y * 255 // height
    made[..., 2] = (x + y) * 127 // (width + height) + 8 * (number % 16)
    left = 4 * (number % 4) + 8
    made[8:16, left : left + 16] = (200, 30, 60)
    return made


def film(
    codec: VideoCodec,
    pictures: Sequence[Rgb],
    *,
    pixels: str = "yuv420p",
    matrix: str = "ITU601",
    full: bool = False,
    options: Mapping[str, str] | None = None,
) -> list[bytes]:
    """A frame for each picture; only the first one needs no other."""
    height, width, _ = pictures[0].shape
    coder = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(coder, av.VideoCodecContext)
    coder.width, coder.height, coder.pix_fmt = width, height, pixels
    coder.time_base = Fraction(1, 25)
    coder.bit_rate = 4_000_000
    coder.thread_count = 1
    coder.options = {**_OPTIONS[codec], **(options or {})}
    reformatter = VideoReformatter()
    frames = []
    for number, picture in enumerate(pictures):
        frame = reformatter.reformat(
            av.VideoFrame.from_ndarray(picture, format="rgb24"),
            format=pixels,
            dst_colorspace=Colorspace[matrix],
            dst_color_range="JPEG" if full else "MPEG",
            interpolation=_EXACT,
            threads=1,
        )
        frame.pts = number
        frames.append(b"".join(bytes(packet) for packet in coder.encode(frame)))
    assert all(frames)
    return frames


def psnr(one: Rgb, other: Rgb) -> float:
    """How alike two pictures are, in dB."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
