"""Where a desktop draws, told without decoding a picture."""

from __future__ import annotations

import pytest

from frazil.model.errors import Conflict, RemoteProtocolError
from frazil.spice.base_messages import Empty
from frazil.spice.display_channel import (
    DisplayServer,
    StreamCreate,
    StreamData,
    StreamDataSized,
    StreamDestroy,
    SurfaceCreate,
    SurfaceDestroy,
    SurfaceFlags,
    SurfaceFormat,
    VideoCodec,
)
from frazil.spice.draw_records import NO_CLIP
from frazil.spice.geometry_records import Rect
from frazil.spice.records import encode
from frazil.viewer import Box, Outline
from frazil.viewer.screen import Screen, session_pictures
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put
from tests.harness.watched import opened


def surface(number: int, flags: int = SurfaceFlags.PRIMARY) -> bytes:
    return encode(SurfaceCreate(surface_id=number, width=96, height=64, format=SurfaceFormat.XRGB32, flags=flags))


@pytest.mark.parametrize("picture", ["lz", "quic", "drawings", "off"])
def test_it_counts_what_a_screen_counts(picture: str) -> None:
    """But for drawings on surfaces that are not shown."""
    outline, screen = Outline(), Screen(session_pictures())
    for number, body in captures.messages(picture):
        outline.display(number, body)
        screen.display(number, body)
    assert outline.size == screen.size is not None
    assert 5 < outline.drawings <= screen.drawings
    outline.display(DisplayServer.MARK, b"")
    assert outline.complete


def test_it_tells_the_place_of_what_is_shown() -> None:
    told: list[Box] = []
    outline = Outline(told.append)
    draw = encode(put(Artist(5, 96, 64).picture(32, 20), left=3, top=5))
    assert not outline.display(DisplayServer.DRAW_COPY, draw)
    outline.display(DisplayServer.SURFACE_CREATE, surface(0))
    outline.display(DisplayServer.SURFACE_CREATE, surface(1, 0))
    assert outline.display(DisplayServer.DRAW_COPY, draw)
    assert told == [Box(3, 5, 35, 25)]
    assert not outline.display(DisplayServer.DRAW_COPY, b"\1" + draw[1:])
    assert outline.drawings == 1
    outline.display(DisplayServer.SURFACE_DESTROY, encode(SurfaceDestroy(surface_id=1)))
    assert outline.size == (96, 64)
    assert outline.display(DisplayServer.SURFACE_DESTROY, encode(SurfaceDestroy(surface_id=0)))
    assert outline.size is None
    assert not outline.display(DisplayServer.DRAW_COPY, draw)


def test_videos_draw_where_they_are() -> None:
    told: list[Box] = []
    outline = Outline(told.append)
    outline.display(DisplayServer.SURFACE_CREATE, surface(0))
    stream = StreamCreate(
        surface_id=0, id=4, flags=0, codec=VideoCodec.MJPEG, stamp=0, stream_width=8, stream_height=8, source_width=8,
        source_height=8, dest=Rect(top=1, left=2, bottom=9, right=10), clip=NO_CLIP,
    )  # fmt: skip
    frame = encode(StreamData(id=4, time_ms=0, data=b"x"))
    outline.display(DisplayServer.STREAM_DATA, frame)
    outline.display(DisplayServer.STREAM_CREATE, encode(stream))
    outline.display(DisplayServer.STREAM_DATA, frame)
    sized = StreamDataSized(id=4, time_ms=0, width=4, height=4, dest=Rect(top=0, left=0, bottom=4, right=4), data=b"x")
    outline.display(DisplayServer.STREAM_DATA_SIZED, encode(sized))
    assert told == [Box(2, 1, 10, 9), Box(0, 0, 4, 4)]
    outline.display(DisplayServer.STREAM_DESTROY, encode(StreamDestroy(id=4)))
    outline.display(DisplayServer.STREAM_DATA, frame)
    outline.display(DisplayServer.STREAM_CREATE, encode(stream))
    outline.display(DisplayServer.STREAM_DESTROY_ALL, encode(Empty()))
    outline.display(DisplayServer.STREAM_DATA, frame)
    assert outline.drawings == 2


def test_what_is_no_drawing_is_an_error() -> None:
    outline = Outline()
    with pytest.raises(RemoteProtocolError):
        outline.display(DisplayServer.DRAW_FILL, b"\0\0\0\0\1")
    assert not outline.display(999, b"anything")


async def test_a_desktop_is_looked_at_without_pictures() -> None:
    told: list[Box] = []
    async with opened(SpiceDesktop(picture="quic"), outline=Outline(told.append)) as desktop:
        await desktop.wait_for_screen()
        assert desktop.size == (captures.WIDTH, captures.HEIGHT)
        assert desktop.drawings == len(told) > 5
        assert desktop.info.pictures == {}
        assert desktop.info.sent_bytes > 50
        with pytest.raises(Conflict, match="without its pictures"):
            desktop.screenshot()


@pytest.mark.parametrize(
    ("other", "touch"),
    [(Box(10, 10, 20, 20), True), (Box(19, 19, 99, 99), True), (Box(20, 10, 30, 20), False), (Box(0, 0, 10, 99), False),
     (Box(12, 12, 12, 18), False)],
)  # fmt: skip
def test_boxes_touch(other: Box, touch: bool) -> None:
    box = Box(10, 10, 20, 20)
    assert box.touches(other) is touch
    assert other.touches(box) is touch
