"""Parts of a surface that come as video (spice-gtk `channel-display.c`, spice-common `sw_canvas.c`, `put_image`).

Only MJPEG is decoded here: each frame is a JPEG picture, and takes the place of what the surface had, within the
stream's clip. A client that names no other codec among its capabilities is sent no other one.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    VideoCodec,
)
from frazil.spice.fields import Buffer
from frazil.spice.geometry_records import Rect
from frazil.spice.pictures.jpeg import decode_jpeg


@dataclass(frozen=True, slots=True)
class Frame:
    """A stream's picture, not yet decoded. `width` and `height` are its own pixels, which are scaled to `dest`."""

    stream: StreamCreate
    data: Buffer
    width: int
    height: int
    dest: Rect

    def show(self, surfaces: Mapping[int, Surface]) -> bool:
        """Draw it; False for a codec that is not decoded here. Raises RemoteProtocolError."""
        if self.stream.codec != VideoCodec.MJPEG:
            return False
        surface = surfaces.get(self.stream.surface_id)
        if surface is None:
            raise RemoteProtocolError(f"A stream is of surface {self.stream.surface_id}, which is not there.")
        if self.dest.width <= 0 or self.dest.height <= 0:
            raise RemoteProtocolError("A stream is to be shown in a box without pixels.")
        pixels = decode_jpeg(self.data, self.width, self.height).pixels
        if not self.stream.flags & StreamFlags.TOP_DOWN:
            pixels = pixels[::-1]
        area = clipped(self.dest, self.stream.clip, surface.width, surface.height)
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
        self._streams: dict[int, StreamCreate] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def create(self, message: StreamCreate) -> None:
        """Raises RemoteProtocolError for an id that is none, or is taken."""
        if message.id >= STREAMS_MAX or message.id in self._streams:
            raise RemoteProtocolError(f"A stream begins as number {message.id}, which it can't be.")
        self._streams[message.id] = message

    def clip(self, message: StreamClip) -> None:
        """Other boxes from the next frame on."""
        self._streams[message.id] = replace(self._known(message.id), clip=message.clip)

    def frame(self, message: StreamData | StreamDataSized) -> Frame:
        """What a frame's message brings."""
        stream = self._known(message.id)
        if isinstance(message, StreamDataSized):
            return Frame(stream, message.data, message.width, message.height, message.dest)
        return Frame(stream, message.data, stream.stream_width, stream.stream_height, stream.dest)

    def destroy(self, message: StreamDestroy) -> None:
        self._known(message.id)
        del self._streams[message.id]

    def clear(self) -> None:
        self._streams.clear()

    def _known(self, number: int) -> StreamCreate:
        try:
            return self._streams[number]
        except KeyError as exc:
            raise RemoteProtocolError(f"A message names stream {number}, which is not there.") from exc
