"""Surfaces, and what a server can send wrong; that drawings are right, the captures show."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.base_messages import Empty, WaitForChannels
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.display_channel import (
    DISPLAY_FROM_SERVER,
    DisplayServer,
    InvalList,
    InvalPalette,
    ResourceId,
    SurfaceCreate,
    SurfaceDestroy,
    SurfaceFormat,
)
from frazil.spice.draw_records import (
    NO_CLIP,
    NO_MASK,
    Brush,
    CompositeFlags,
    DisplayBase,
    DrawAlphaBlend,
    DrawComposite,
    DrawCopy,
    DrawFill,
    DrawOpaque,
    DrawRop3,
    Mask,
    MaskFlags,
    Pattern,
    Rop,
)
from frazil.spice.geometry_records import Point, Point16, Rect
from frazil.spice.image_records import Bitmap, Image, ImageFlags, ImageType, SurfaceImage
from frazil.spice.pictures import NotInCache
from frazil.spice.pictures.decoder import SessionPictures
from frazil.spice.records import encode
from tests.harness import captures

NUMBERS = {record: number for number, record in DISPLAY_FROM_SERVER.records.items() if record is not Empty}


def canvas(width: int = 4, height: int = 3, form: int = SurfaceFormat.XRGB32) -> Canvas:
    made = Canvas(SessionPictures.of_sizes(cache_pixels=1000, window_pixels=1000), surfaces_max_pixels=4000)
    say(made, SurfaceCreate(surface_id=0, width=width, height=height, format=form, flags=1))
    return made


def say(to: Canvas, message: Any) -> None:
    assert to.handle(NUMBERS[type(message)], encode(message))


def rect(left: int, top: int, right: int, bottom: int) -> Rect:
    return Rect(left=left, top=top, right=right, bottom=bottom)


def base(box: Rect, surface: int = 0) -> DisplayBase:
    return DisplayBase(surface_id=surface, box=box, clip=NO_CLIP)


def fill(box: Rect, color: int, surface: int = 0, mask: Mask = NO_MASK) -> DrawFill:
    return DrawFill(base=base(box, surface), brush=Brush(type=1, content=color), rop=Rop.OP_PUT, mask=mask)


def raw(of: Canvas) -> list[list[int]]:
    assert of.primary is not None
    rows: list[list[int]] = of.primary.raw.tolist()
    return rows


def image_of(surface: int, width: int = 4, height: int = 3) -> Image:
    content = SurfaceImage(surface_id=surface)
    return Image(id=0, type=ImageType.SURFACE, flags=0, width=width, height=height, content=content)


def bitmap(*pixels: int, number: int = 1, flags: int = 0, form: int = 8) -> Image:
    data = struct.pack(f"<{len(pixels)}I", *pixels)
    content = Bitmap(format=form, flags=4, width=len(pixels), height=1, stride=4 * len(pixels), palette=None, data=data)
    return Image(id=number, type=ImageType.BITMAP, flags=flags, width=len(pixels), height=1, content=content)


def copy(source: Image, box: Rect, part: Rect, *, rop: int = Rop.OP_PUT) -> DrawCopy:
    return DrawCopy(base=base(box), source=source, source_area=part, rop=rop, scale_mode=1, mask=NO_MASK)


def test_a_surface_is_black_until_it_is_drawn_on() -> None:
    one = canvas(2, 1)
    assert raw(one) == [[0, 0]]
    say(one, fill(rect(1, 0, 2, 1), 0x123456))
    assert raw(one) == [[0, 0x123456]]
    assert one.primary is not None
    assert one.primary.rgb().tolist() == [[[0, 0, 0], [0x12, 0x34, 0x56]]]
    assert one.drawn == {DisplayServer.SURFACE_CREATE: 1, DisplayServer.DRAW_FILL: 1}


def test_surfaces_are_copied_from_also_from_themselves() -> None:
    one = canvas(3, 1)
    say(one, SurfaceCreate(surface_id=1, width=2, height=1, format=SurfaceFormat.XRGB32, flags=0))
    say(one, fill(rect(0, 0, 1, 1), 7, surface=1))
    say(one, copy(image_of(1, 2, 1), rect(0, 0, 2, 1), rect(0, 0, 2, 1)))
    assert raw(one) == [[7, 0, 0]]
    say(one, copy(image_of(0, 3, 1), rect(1, 0, 3, 1), rect(0, 0, 2, 1)))
    assert raw(one) == [[7, 7, 0]]
    say(one, SurfaceDestroy(surface_id=1))
    assert list(one.surfaces) == [0]


def test_what_a_picture_does_not_cover_stays() -> None:
    one = canvas(4, 1)
    say(one, copy(bitmap(5, 6), rect(0, 0, 4, 1), rect(-1, 0, 3, 1)))
    assert raw(one) == [[0, 5, 6, 0]]


@pytest.mark.parametrize(("flags", "expected"), [(0, [0, 9, 0, 0]), (MaskFlags.INVERS, [9, 0, 0, 0])])
def test_a_mask_lets_through_what_it_has_set_and_nothing_beside_it(flags: int, expected: list[int]) -> None:
    bits = Bitmap(format=1, flags=4, width=3, height=1, stride=1, palette=None, data=bytes([0b100]))
    picture = Image(id=1, type=ImageType.BITMAP, flags=0, width=3, height=1, content=bits)
    one = canvas(4, 1)
    say(one, fill(rect(0, 0, 4, 1), 9, mask=Mask(flags=flags, position=Point(x=1, y=0), bitmap=picture)))
    assert raw(one) == [expected]


def test_a_surface_can_be_a_mask() -> None:
    one = canvas(3, 1)
    say(one, SurfaceCreate(surface_id=1, width=3, height=1, format=SurfaceFormat.A1, flags=0))
    say(one, fill(rect(1, 0, 2, 1), 1, surface=1))
    mask = Mask(flags=0, position=Point(x=0, y=0), bitmap=image_of(1, 3, 1))
    say(one, fill(rect(0, 0, 3, 1), 9, mask=mask))
    assert raw(one) == [[0, 9, 0]]


def test_an_alpha_surface_takes_alpha() -> None:
    one = canvas(2, 1)
    say(one, SurfaceCreate(surface_id=1, width=2, height=1, format=SurfaceFormat.A8, flags=0))
    blend = DrawAlphaBlend(
        base=base(rect(0, 0, 2, 1), 1),
        alpha_flags=0,
        alpha=255,
        source=bitmap(0x80000000, 0xFF000000, form=9),
        source_area=rect(0, 0, 2, 1),
    )
    say(one, blend)
    assert one.surfaces[1].raw.tolist() == [[0x80, 0xFF]]
    composite = DrawComposite(
        base=base(rect(0, 0, 2, 1)),
        flags=3 | CompositeFlags.HAS_MASK,
        source=bitmap(0xFFFFFFFF, 0xFFFFFFFF, form=9),
        mask=image_of(1, 2, 1),
        source_transform=None,
        mask_transform=None,
        source_origin=Point16(x=0, y=0),
        mask_origin=Point16(x=0, y=0),
    )
    say(one, composite)
    assert raw(one) == [[0x808080, 0xFFFFFF]]


@pytest.mark.parametrize(
    ("form", "color", "pixel"),
    [(SurfaceFormat.RGB565, 0xF800, [255, 0, 0]), (SurfaceFormat.RGB555, 0x03E0, [0, 255, 0])],
)
def test_sixteen_bits(form: SurfaceFormat, color: int, pixel: list[int]) -> None:
    one = canvas(2, 1, form)
    say(one, fill(rect(0, 0, 1, 1), color))
    say(one, copy(bitmap(*[int.from_bytes(bytes(pixel), "big")]), rect(1, 0, 2, 1), rect(0, 0, 1, 1)))
    assert one.primary is not None
    assert one.primary.rgb().tolist() == [[pixel, pixel]]


def test_a_rop_of_three_reads_all_three() -> None:
    one = canvas(1, 1)
    say(one, fill(rect(0, 0, 1, 1), 0b1010))
    draw = DrawRop3(
        base=base(rect(0, 0, 1, 1)),
        source=bitmap(0b1100),
        source_area=rect(0, 0, 1, 1),
        brush=Brush(type=1, content=0xFF0),
        rop3=0x96,
        scale_mode=1,
        mask=NO_MASK,
    )
    say(one, draw)
    assert raw(one) == [[0b1010 ^ 0b1100 ^ 0xFF0]]


def test_pictures_and_palettes_are_forgotten_when_the_server_says_so() -> None:
    one = canvas()
    kept = copy(bitmap(1, flags=ImageFlags.CACHE_ME), rect(0, 0, 1, 1), rect(0, 0, 1, 1))
    cached = Image(id=1, type=ImageType.FROM_CACHE, flags=0, width=1, height=1, content=None)
    again = copy(cached, rect(0, 0, 1, 1), rect(0, 0, 1, 1))
    for forget in (InvalList(resources=(ResourceId(type=1, id=1),)), WaitForChannels(waits=())):
        say(one, kept)
        say(one, again)
        number = DisplayServer.INVAL_LIST if isinstance(forget, InvalList) else DisplayServer.INVAL_ALL_PIXMAPS
        assert one.handle(number, encode(forget))
        with pytest.raises(RemoteProtocolError, match="cache"):
            say(one, again)
    say(one, InvalPalette(id=3))
    assert one.handle(DisplayServer.INVAL_ALL_PALETTES, b"")


def test_a_drawing_of_which_something_is_missing_is_not_begun() -> None:
    one = canvas(2, 1)
    cached = Image(id=9, type=ImageType.FROM_CACHE, flags=0, width=1, height=1, content=None)
    draw = DrawOpaque(
        base=base(rect(0, 0, 2, 1)),
        source=bitmap(0xFF, 0xFF),
        source_area=rect(0, 0, 2, 1),
        brush=Brush(type=2, content=Pattern(image=cached, position=Point(x=0, y=0))),
        rop=Rop.OP_OR,
        scale_mode=1,
        mask=NO_MASK,
    )
    with pytest.raises(NotInCache):
        say(one, draw)
    assert raw(one) == [[0, 0]]
    say(one, copy(bitmap(0xFF00, number=9, flags=ImageFlags.CACHE_ME), rect(0, 0, 1, 1), rect(5, 0, 6, 1)))
    say(one, draw)
    assert raw(one) == [[0xFFFF, 0xFFFF]]


def test_nothing_is_left_after_a_reset() -> None:
    one = canvas()
    one.handle(DisplayServer.RESET, b"")
    assert one.primary is None


def test_what_is_not_about_pictures_is_somebody_elses() -> None:
    assert not canvas().handle(DisplayServer.MARK, b"")
    assert not canvas().handle(DisplayServer.MONITORS_CONFIG, b"")


NOWHERE = rect(9, 9, 9, 9)
BAD = {
    "a surface twice": SurfaceCreate(surface_id=0, width=1, height=1, format=32, flags=0),
    "too many pixels": SurfaceCreate(surface_id=1, width=1000, height=4, format=32, flags=0),
    "no format": SurfaceCreate(surface_id=1, width=1, height=1, format=33, flags=0),
    "no surface to destroy": SurfaceDestroy(surface_id=1),
    "no surface to draw on": fill(rect(0, 0, 1, 1), 0, surface=9),
    "no surface to draw from": copy(image_of(9), rect(0, 0, 1, 1), rect(0, 0, 1, 1)),
    "no picture": DrawCopy(
        base=base(rect(0, 0, 1, 1)), source=None, source_area=rect(0, 0, 1, 1), rop=8, scale_mode=1, mask=NO_MASK
    ),
    "no way of scaling": DrawCopy(
        base=base(rect(0, 0, 2, 1)), source=bitmap(1), source_area=rect(0, 0, 1, 1), rop=8, scale_mode=2, mask=NO_MASK
    ),
}


@pytest.mark.parametrize("message", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(message: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        say(canvas(), message)


def bodies() -> list[tuple[int, bytes]]:
    return [
        message
        for message in captures.messages("drawings")
        if message[1] and message[0] not in (DisplayServer.SURFACE_CREATE, DisplayServer.MONITORS_CONFIG)
    ]


def test_a_server_may_take_its_screen_away() -> None:
    one = canvas(64, 48)
    one.handle(DisplayServer.SURFACE_DESTROY, bytes(4))
    assert one.primary is None


@given(st.data())
def test_messages_with_any_bytes_in_them_are_drawn_or_the_peers_fault(data: st.DataObject) -> None:
    number, body = data.draw(st.sampled_from(BODIES))
    spoilt = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(spoilt), 160) - 1))
        spoilt[at] = data.draw(st.integers(0, 255))
    one = canvas(64, 48)
    try:
        one.handle(number, bytes(spoilt))
    except RemoteProtocolError:
        return
    if number == DisplayServer.SURFACE_DESTROY and one.primary is None:
        assert not any(spoilt[:4])  # a server may take its screen away
        return
    assert one.primary is not None
    assert one.primary.raw.shape == (48, 64)


BODIES = bodies()


def test_boxes_without_end_draw_on_the_surface_only() -> None:
    one = canvas(2, 1)
    far = rect(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)
    say(one, fill(far, 3))
    assert raw(one) == [[3, 3]]
    say(one, copy(bitmap(1, 2), far, rect(0, 0, 2, 1)))
    assert np.array(raw(one)).shape == (1, 2)
