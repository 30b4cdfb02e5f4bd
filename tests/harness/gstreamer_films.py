"""Films as spice-server has them coded: by GStreamer, with the pipelines of its `gstreamer-encoder.c`.

``python -m tests.harness.gstreamer_films`` makes them anew, into ``tests/unit/spice/captures/films``. It wants Debian's
python3-gi, gir1.2-gstreamer-1.0, gstreamer1.0-plugins-good (VP8, VP9) and gstreamer1.0-plugins-ugly (x264); those that
are in the tree are of GStreamer 1.22. A file has each frame behind its length, a little-endian u32.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np

from frazil.spice.display_channel import VideoCodec
from tests.harness.films import Rgb, scene

PLACE = Path(__file__).parents[1] / "unit" / "spice" / "captures" / "films"
_VPX = "end-usage=cbr min-quantizer=10 error-resilient=default lag-in-frames=0 deadline=1 cpu-used=4"
_CODERS = {
    VideoCodec.VP8: f"vp8enc {_VPX} target-bitrate=4000000",
    VideoCodec.H264: "x264enc byte-stream=true aud=true qp-min=15 qp-max=35 tune=4 sliced-threads=true"
    " speed-preset=ultrafast intra-refresh=true bitrate=4000",
    VideoCodec.VP9: f"vp9enc {_VPX} target-bitrate=4000000",
}
CODECS = tuple(_CODERS)
SIZES = ((98, 66), (97, 65), (64, 600))
FRAMES = 4
_PROGRAM = """
import struct, sys
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
coder, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
line = Gst.parse_launch(
    "appsrc is-live=true format=time do-timestamp=true name=source ! videoconvert ! " + coder + " ! appsink name=sink"
)
source, sink = line.get_by_name("source"), line.get_by_name("sink")
form = f"video/x-raw,format=BGRx,width={width},height={height},framerate=25/1"
source.set_property("caps", Gst.Caps.from_string(form))
line.set_state(Gst.State.PLAYING)
while picture := sys.stdin.buffer.read(4 * width * height):
    source.emit("push-buffer", Gst.Buffer.new_wrapped(picture))
    frame = sink.emit("try-pull-sample", 10 * Gst.SECOND).get_buffer()
    data = frame.extract_dup(0, frame.get_size())
    sys.stdout.buffer.write(struct.pack("<I", len(data)) + data)
line.set_state(Gst.State.NULL)
"""


def pictures(width: int, height: int) -> list[Rgb]:
    """What was coded."""
    return [scene(width, height, number) for number in range(FRAMES)]


def frames(codec: VideoCodec, width: int, height: int) -> list[bytes]:
    """What came of it."""
    data = _file(codec, width, height).read_bytes()
    found = []
    while data:
        (length,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def _file(codec: VideoCodec, width: int, height: int) -> Path:
    return PLACE / f"{codec.name.lower()}-{width}x{height}.film"


def main() -> None:
    """Make all of them."""
    PLACE.mkdir(exist_ok=True)
    for codec, coder in _CODERS.items():
        for width, height in SIZES:
            raw = b"".join(np.insert(picture[..., ::-1], 3, 0, axis=2).tobytes() for picture in pictures(width, height))
            words = ["/usr/bin/python3", "-c", _PROGRAM, coder, str(width), str(height)]
            done = subprocess.run(words, input=raw, stdout=subprocess.PIPE, check=True, timeout=60)
            _file(codec, width, height).write_bytes(done.stdout)


if __name__ == "__main__":
    main()
