"""Plain bitmaps in all formats."""

from __future__ import annotations

import pytest

from frazil.model.errors import RemoteProtocolError
from frazil.spice.image_records import Bitmap, BitmapFlags, BitmapFormat
from frazil.spice.pictures.bitmap import decode_bitmap, decode_mask

COLORS = (10, 20, 30)


def bitmap(form: int, data: list[int], *, width: int = 3, height: int = 1, stride: int = 0, flags: int = 4) -> Bitmap:
    return Bitmap(
        format=form,
        flags=flags,
        width=width,
        height=height,
        stride=stride or len(data) // height,
        palette=None,
        data=bytes(data),
    )


@pytest.mark.parametrize(
    ("form", "data", "expected"),
    [
        (BitmapFormat.BIT1_LE, [0b010], [10, 20, 10]),
        (BitmapFormat.BIT1_BE, [0b01000000], [10, 20, 10]),
        (BitmapFormat.BIT4_LE, [0x10, 0x02], [10, 20, 30]),
        (BitmapFormat.BIT4_BE, [0x01, 0x20], [10, 20, 30]),
        (BitmapFormat.BIT8, [0, 1, 9], [10, 20, 0]),  # beyond the palette: black
        (BitmapFormat.BIT16, [0, 0x7C, 0xE0, 3, 0x1F, 0], [0xFFFF0000, 0xFF00FF00, 0xFF0000FF]),
        (BitmapFormat.BIT24, [1, 2, 3, 4, 5, 6, 7, 8, 9], [0x030201, 0x060504, 0x090807]),
        (BitmapFormat.BIT32, [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0], [0x030201, 0x060504, 0x090807]),
        (BitmapFormat.RGBA, [1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10], [0x04030201, 0x07060504, 0x0A090807]),
        (BitmapFormat.BIT8_A, [1, 2, 3], [1 << 24, 2 << 24, 3 << 24]),
    ],
)
def test_formats(form: BitmapFormat, data: list[int], expected: list[int]) -> None:
    picture = decode_bitmap(bitmap(form, data), COLORS)
    assert picture.pixels.tolist() == [expected]
    assert picture.alpha is (form in (BitmapFormat.RGBA, BitmapFormat.BIT8_A))


def test_lines_have_more_bytes_than_pixels_and_may_be_upside_down() -> None:
    data = [0, 1, 99, 1, 0, 99]
    assert decode_bitmap(bitmap(5, data, width=2, height=2), COLORS).pixels.tolist() == [[10, 20], [20, 10]]
    below = bitmap(5, data, width=2, height=2, flags=0)
    assert decode_bitmap(below, COLORS).pixels.tolist() == [[20, 10], [10, 20]]


@pytest.mark.parametrize(("form", "byte"), [(BitmapFormat.BIT1_LE, 0b101), (BitmapFormat.BIT1_BE, 0b10100000)])
def test_masks(form: BitmapFormat, byte: int) -> None:
    assert decode_mask(bitmap(form, [byte])).tolist() == [[True, False, True]]


@pytest.mark.parametrize(
    "wrong",
    [
        bitmap(0, [0, 0, 0]),
        bitmap(11, [0, 0, 0]),
        bitmap(BitmapFormat.BIT32, [0, 0, 0]),
        bitmap(BitmapFormat.BIT1_LE, [1], width=9),
        bitmap(BitmapFormat.BIT8, [], width=0),
        Bitmap(format=8, flags=BitmapFlags.TOP_DOWN, width=1 << 31, height=1, stride=0, palette=None, data=b""),
    ],
)
def test_what_can_not_be_right_is_refused(wrong: Bitmap) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_bitmap(wrong, COLORS)


def test_indexes_need_a_palette_and_masks_one_bit() -> None:
    with pytest.raises(RemoteProtocolError, match="palette"):
        decode_bitmap(bitmap(BitmapFormat.BIT8, [0, 0, 0]), None)
    with pytest.raises(RemoteProtocolError, match="one bit"):
        decode_mask(bitmap(BitmapFormat.BIT8, [0, 0, 0]))
