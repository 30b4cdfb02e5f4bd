"""The display channel (spice-common `spice.proto`, `DisplayChannel`; numbers of spice-protocol `enums.h`)."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Annotated

from frazil.spice.base_messages import BASE_FROM_CLIENT, BASE_FROM_SERVER, Empty, WaitForChannels
from frazil.spice.draw_records import (
    Clip,
    CopyBits,
    DrawAlphaBlend,
    DrawBlackness,
    DrawBlend,
    DrawComposite,
    DrawCopy,
    DrawFill,
    DrawInvers,
    DrawOpaque,
    DrawRop3,
    DrawStroke,
    DrawText,
    DrawTransparent,
    DrawWhiteness,
)
from frazil.spice.fields import (
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    ArrayCountedBy,
    Counted32,
    CountedArray,
    Number,
)
from frazil.spice.geometry_records import Rect
from frazil.spice.records import kind_of, record
from frazil.spice.tables import MessageTable

GLZ_WINDOW_MAX_PIXELS = 1 << 25
"""The largest window of GLZ; spice-server can't do with a larger one (`LZ_MAX_WINDOW_SIZE`)."""
INIT_BYTES = 14
STREAMS_MAX = 64
"""So many streams at once; their ids are below it (`SPICE_MAX_NUM_STREAMS`)."""


class DisplayServer(IntEnum):
    """Server to client."""

    MODE = 101
    MARK = 102
    RESET = 103
    COPY_BITS = 104
    INVAL_LIST = 105
    INVAL_ALL_PIXMAPS = 106
    INVAL_PALETTE = 107
    INVAL_ALL_PALETTES = 108
    STREAM_CREATE = 122
    STREAM_DATA = 123
    STREAM_CLIP = 124
    STREAM_DESTROY = 125
    STREAM_DESTROY_ALL = 126
    DRAW_FILL = 302
    DRAW_OPAQUE = 303
    DRAW_COPY = 304
    DRAW_BLEND = 305
    DRAW_BLACKNESS = 306
    DRAW_WHITENESS = 307
    DRAW_INVERS = 308
    DRAW_ROP3 = 309
    DRAW_STROKE = 310
    DRAW_TEXT = 311
    DRAW_TRANSPARENT = 312
    DRAW_ALPHA_BLEND = 313
    SURFACE_CREATE = 314
    SURFACE_DESTROY = 315
    STREAM_DATA_SIZED = 316
    MONITORS_CONFIG = 317
    DRAW_COMPOSITE = 318
    STREAM_ACTIVATE_REPORT = 319
    GL_SCANOUT_UNIX = 320
    GL_DRAW = 321


class DisplayClient(IntEnum):
    """Client to server."""

    INIT = 101
    STREAM_REPORT = 102
    PREFERRED_COMPRESSION = 103
    GL_DRAW_DONE = 104
    PREFERRED_VIDEO_CODECS = 105


class DisplayCap(IntEnum):
    """What either side can do on this channel (`SPICE_DISPLAY_CAP_*`)."""

    SIZED_STREAM = 0
    MONITORS_CONFIG = 1
    COMPOSITE = 2
    A8_SURFACE = 3
    STREAM_REPORT = 4
    LZ4_COMPRESSION = 5
    PREF_COMPRESSION = 6
    GL_SCANOUT = 7
    MULTI_CODEC = 8
    CODEC_MJPEG = 9
    CODEC_VP8 = 10
    CODEC_H264 = 11
    PREF_VIDEO_CODEC_TYPE = 12
    CODEC_VP9 = 13
    CODEC_H265 = 14


class SurfaceFormat(IntEnum):
    """What a surface's bits mean."""

    A1 = 1
    A8 = 8
    RGB555 = 16
    XRGB32 = 32
    RGB565 = 80
    ARGB32 = 96


class SurfaceFlags(IntFlag):
    """`PRIMARY`: the one that is shown. `STREAMING_MODE`: a hint that only streams will cover it."""

    PRIMARY = 1
    STREAMING_MODE = 2


class VideoCodec(IntEnum):
    """How a stream's frames are coded."""

    MJPEG = 1
    VP8 = 2
    H264 = 3
    VP9 = 4
    H265 = 5


class StreamFlags(IntFlag):
    """`TOP_DOWN`: the first line is the uppermost one."""

    TOP_DOWN = 1


RESOURCE_PIXMAP = 1
"""The only kind of cached thing that `InvalList` names (`SPICE_RES_TYPE_PIXMAP`)."""


@record
class DisplayInit:
    """The client's first message: which caches the session's display channels share, and their sizes in pixels."""

    pixmap_cache_id: U8
    pixmap_cache_pixels: I64
    glz_dictionary_id: U8
    glz_window_pixels: I32


@record
class Mode:
    """The screen's size in pixels, and bits a pixel: of servers before surfaces."""

    width: U32
    height: U32
    bits: U32


@record
class ResourceId:
    """A cached thing."""

    type: U8
    id: U64


@record
class InvalList:
    """Forget these."""

    resources: Annotated[tuple[ResourceId, ...], CountedArray(Number("H"), kind_of(ResourceId))]


@record
class InvalPalette:
    """Forget this palette."""

    id: U64


@record
class StreamCreate:
    """A part of a surface becomes video. `stream_*` is what is coded, `source_*` what the guest drew, in pixels."""

    surface_id: U32
    id: U32
    flags: U8
    codec: U8
    stamp: U64
    stream_width: U32
    stream_height: U32
    source_width: U32
    source_height: U32
    dest: Rect
    clip: Clip


@record
class StreamData:
    """A frame, to be shown at `time_ms` of the multimedia clock."""

    id: U32
    time_ms: U32
    data: Counted32


@record
class StreamDataSized:
    """The same for a frame of another size or at another place."""

    id: U32
    time_ms: U32
    width: U32
    height: U32
    dest: Rect
    data: Counted32


@record
class StreamClip:
    """Something stands before the video now, or no longer."""

    id: U32
    clip: Clip


@record
class StreamDestroy:
    """No more frames."""

    id: U32


@record
class SurfaceCreate:
    """Pixels that can be drawn on, black at first."""

    surface_id: U32
    width: U32
    height: U32
    format: U32
    flags: U32


@record
class SurfaceDestroy:
    """They are gone."""

    surface_id: U32


@record
class Head:
    """What part of a surface a monitor shows."""

    monitor_id: U32
    surface_id: U32
    width: U32
    height: U32
    x: U32
    y: U32
    flags: U32


@record
class MonitorsConfigured:
    """All monitors of this channel; there will never be more than `max_allowed`."""

    count: U16
    max_allowed: U16
    heads: Annotated[tuple[Head, ...], ArrayCountedBy("count", kind_of(Head))]


@record
class StreamActivateReport:
    """Say how a stream goes: after `max_window` frames, or `timeout_ms` at the latest."""

    stream_id: U32
    unique_id: U32
    max_window: U32
    timeout_ms: U32


@record
class StreamReport:
    """How a stream went. `drops` is 0xFFFFFFFF with `frames` 0 when it can't be shown at all."""

    stream_id: U32
    unique_id: U32
    start_frame_time_ms: U32
    end_frame_time_ms: U32
    frames: U32
    drops: U32
    last_frame_delay_ms: I32
    audio_delay_ms: U32


@record
class PreferredCompression:
    """An `ImageCompression`."""

    compression: U8


@record
class PreferredVideoCodecs:
    """`VideoCodec`s, the best one first."""

    codecs: Annotated[tuple[int, ...], CountedArray(Number("B"), Number("B"))]


DISPLAY_FROM_SERVER = BASE_FROM_SERVER | MessageTable(
    {
        DisplayServer.MODE: Mode,
        DisplayServer.MARK: Empty,
        DisplayServer.RESET: Empty,
        DisplayServer.COPY_BITS: CopyBits,
        DisplayServer.INVAL_LIST: InvalList,
        DisplayServer.INVAL_ALL_PIXMAPS: WaitForChannels,
        DisplayServer.INVAL_PALETTE: InvalPalette,
        DisplayServer.INVAL_ALL_PALETTES: Empty,
        DisplayServer.STREAM_CREATE: StreamCreate,
        DisplayServer.STREAM_DATA: StreamData,
        DisplayServer.STREAM_CLIP: StreamClip,
        DisplayServer.STREAM_DESTROY: StreamDestroy,
        DisplayServer.STREAM_DESTROY_ALL: Empty,
        DisplayServer.DRAW_FILL: DrawFill,
        DisplayServer.DRAW_OPAQUE: DrawOpaque,
        DisplayServer.DRAW_COPY: DrawCopy,
        DisplayServer.DRAW_BLEND: DrawBlend,
        DisplayServer.DRAW_BLACKNESS: DrawBlackness,
        DisplayServer.DRAW_WHITENESS: DrawWhiteness,
        DisplayServer.DRAW_INVERS: DrawInvers,
        DisplayServer.DRAW_ROP3: DrawRop3,
        DisplayServer.DRAW_STROKE: DrawStroke,
        DisplayServer.DRAW_TEXT: DrawText,
        DisplayServer.DRAW_TRANSPARENT: DrawTransparent,
        DisplayServer.DRAW_ALPHA_BLEND: DrawAlphaBlend,
        DisplayServer.SURFACE_CREATE: SurfaceCreate,
        DisplayServer.SURFACE_DESTROY: SurfaceDestroy,
        DisplayServer.STREAM_DATA_SIZED: StreamDataSized,
        DisplayServer.MONITORS_CONFIG: MonitorsConfigured,
        DisplayServer.DRAW_COMPOSITE: DrawComposite,
        DisplayServer.STREAM_ACTIVATE_REPORT: StreamActivateReport,
    }
)
"""GL's two messages pass a file descriptor beside the bytes, which only a client on the same machine can take."""
DISPLAY_FROM_CLIENT = BASE_FROM_CLIENT | MessageTable(
    {
        DisplayClient.INIT: DisplayInit,
        DisplayClient.STREAM_REPORT: StreamReport,
        DisplayClient.PREFERRED_COMPRESSION: PreferredCompression,
        DisplayClient.GL_DRAW_DONE: Empty,
        DisplayClient.PREFERRED_VIDEO_CODECS: PreferredVideoCodecs,
    }
)
