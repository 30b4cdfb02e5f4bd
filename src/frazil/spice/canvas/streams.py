"""Parts of a surface that come as video (spice-gtk `channel-display.c`, spice-common `sw_canvas.c`, `put_image`).

Each frame takes the place of what the surface had, within the stream's clip, as soon as it comes. A client is sent no
codec that it does not name among its capabilities: it names those of `frazil.spice.pictures.video.decodable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.area import clipped
from frazil.spice.canvas.sampling import ONE, sample_grid, scaled_positions
from frazil.spice.canvas.surface import Surface
from frazil.spice.display_channel import (
    STREAMS_MAX,
    StreamClip,
    StreamCreate,
    StreamData,
    StreamDataSized,
    StreamDestroy,
    StreamFlags,
)
from frazil.spice.fields import Buffer
from frazil.spice.geometry_records import Rect
from frazil.spice.pictures.video import FFmpegDecoder, VideoDecoder, decoder_of

KEPT_MAX_PIXELS = 1 << 24
"""Of a frame of each stream whose decoder keeps earlier ones to build on (H.264 up to sixteen of them)."""


@dataclass(slots=True)
class Stream:
    """`decoder` is None for a codec that can't be decoded here; `kept_pixels` is the size of frames that it keeps."""

    message: StreamCreate
    decoder: VideoDecoder | None
    kept_pixels: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A stream's picture, not yet decoded. `width` and `height` are its own pixels, which are scaled to `dest`."""

    stream: Stream
    data: Buffer
    width: int
    height: int
    dest: Rect

    def show(self, surfaces: Mapping[int, Surface]) -> bool:
        """Draw it; False where nothing comes out: its codec can't be decoded here, or it is not to be seen.

        Raises RemoteProtocolError.
        """
        stream = self.stream.message
        if self.stream.decoder is None:
            return False
        surface = surfaces.get(stream.surface_id)
        if surface is None:
            raise RemoteProtocolError(f"A stream is of surface {stream.surface_id}, which is not there.")
        if self.dest.width <= 0 or self.dest.height <= 0:
            raise RemoteProtocolError("A stream is to be shown in a box without pixels.")
        pixels = self.stream.decoder.decode(self.data, self.width, self.height)
        if pixels is None:
            return False
        if not stream.flags & StreamFlags.TOP_DOWN:
            pixels = pixels[::-1]
        area = clipped(self.dest, stream.clip, surface.width, surface.height)
        if area.empty:
            return True
        across, down = self.width * ONE // self.dest.width, self.height * ONE // self.dest.height
        xs = scaled_positions(area.left - self.dest.left, area.width, step=across, origin=0)
        ys = scaled_positions(area.top - self.dest.top, area.height, step=down, origin=0)
        surface.write(area, surface.native(sample_grid(pixels, xs, ys, smooth=False)))
        return True


class Streams:
    """The streams of a display channel."""

    def __init__(self) -> None:
        self._streams: dict[int, Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    def create(self, message: StreamCreate) -> None:
        """Raises RemoteProtocolError for an id that is none, or is taken."""
        if message.id >= STREAMS_MAX or message.id in self._streams:
            raise RemoteProtocolError(f"A stream begins as number {message.id}, which it can't be.")
        self._streams[message.id] = Stream(message, decoder_of(message.codec))

    def clip(self, message: StreamClip) -> None:
        """Other boxes from the next frame on."""
        stream = self._known(message.id)
        stream.message = replace(stream.message, clip=message.clip)

    def frame(self, message: StreamData | StreamDataSized) -> Frame:
        """What a frame's message brings. Raises RemoteProtocolError."""
        stream = self._known(message.id)
        if isinstance(message, StreamDataSized):
            frame = Frame(stream, message.data, message.width, message.height, message.dest)
        else:
            of = stream.message
            frame = Frame(stream, message.data, of.stream_width, of.stream_height, of.dest)
        if isinstance(stream.decoder, FFmpegDecoder):
            stream.kept_pixels = frame.width * frame.height
            if sum(one.kept_pixels for one in self._streams.values()) > KEPT_MAX_PIXELS:
                raise RemoteProtocolError(f"Streams have frames of more than {KEPT_MAX_PIXELS} pixels together.")
        return frame

    def destroy(self, message: StreamDestroy) -> None:
        self._known(message.id)
        del self._streams[message.id]

    def clear(self) -> None:
        self._streams.clear()

    def _known(self, number: int) -> Stream:
        try:
            return self._streams[number]
        except KeyError as exc:
            raise RemoteProtocolError(f"A message names stream {number}, which is not there.") from exc
