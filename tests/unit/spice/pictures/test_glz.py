"""GLZ: references to earlier pictures, and what the window keeps."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.pictures.glz import GlzWindow, MissingPicture
from frazil.spice.pictures.lz import LzType

RED, GREEN = bytes([0, 0, 255]), bytes([0, 255, 0])


def picture(
    number: int,
    body: bytes,
    *,
    width: int = 4,
    height: int = 1,
    back: int = 0,
    kind: LzType = LzType.RGB32,
    top_down: bool = True,
) -> bytes:
    head = struct.pack(">IB3IQI", 0x00010001, kind | top_down << 4, width, height, 4 * width, number, back)
    return b"  ZL" + head + body


def literal(*pixels: bytes) -> bytes:
    return bytes([len(pixels) - 1]) + b"".join(pixels)


def back(length: int, offset: int, *, pictures: int = 0) -> bytes:
    """`length` pixels (1 to 6) from `offset` on in an earlier picture, or so far back and one more in this one."""
    assert offset < 4096
    assert length < 7
    if pictures < 64:
        return bytes([length << 5 | offset & 15, offset >> 4, pictures])
    return bytes([length << 5 | offset & 15, offset >> 4, 0x40 | pictures & 63, pictures >> 6])


def far(length: int, offset: int, *, pictures: int) -> bytes:
    """The same with a long offset: up to 25 bits, and the number of pictures in bytes of its own."""
    distance = b""
    while pictures:
        distance += bytes([pictures & 255])
        pictures >>= 8
    very = offset >> 17 > 0
    code = len(distance) << 6 | very << 5 | offset >> 12 & 31
    head = bytes([length << 5 | 16 | offset & 15, offset >> 4 & 255, code])
    return head + distance + (bytes([offset >> 17]) if very else b"")


def test_pixels_of_an_earlier_picture_are_used_again() -> None:
    window = GlzWindow(1000)
    window.decode(picture(0, literal(RED, GREEN, RED, GREEN)))
    assert window.decode(picture(1, literal(RED) + back(3, 1, pictures=1), back=1)).pixels.tolist() == [
        [0xFF0000, 0x00FF00, 0xFF0000, 0x00FF00]
    ]
    assert window.decode(picture(2, far(4, 0, pictures=2), back=2)).pixels.tolist() == [
        [0xFF0000, 0x00FF00, 0xFF0000, 0x00FF00]
    ]


def test_pixels_of_the_same_picture_are_used_again() -> None:
    window = GlzWindow(1000)
    assert window.decode(picture(0, literal(RED) + back(3, 0))).pixels.tolist() == [[0xFF0000] * 4]


def run(length: int) -> bytes:
    """The last pixel again, `length` times (7 or more)."""
    return bytes([7 << 5]) + b"\xff" * ((length - 7) // 255) + bytes([(length - 7) % 255]) + bytes([0, 0])


def test_long_lengths_and_offsets() -> None:
    width, height = 512, 300
    pixels = width * height
    window = GlzWindow(1 << 20)
    window.decode(picture(0, literal(RED) + run(pixels - 2) + literal(GREEN), width=width, height=height))
    assert window.decode(picture(1, far(1, pixels - 1, pictures=1), width=1, back=1)).pixels.tolist() == [[0x00FF00]]
    assert window.decode(picture(2, far(1, 70_000, pictures=2), width=1, back=2)).pixels.tolist() == [[0xFF0000]]


def test_a_picture_a_long_time_ago() -> None:
    window = GlzWindow(1 << 20)
    for number in range(300):
        window.decode(picture(number, literal(GREEN if number else RED), width=1, back=number))
    for number, body in ((300, back(1, 0, pictures=300)), (301, far(1, 0, pictures=301))):
        assert window.decode(picture(number, body, width=1, back=number)).pixels.tolist() == [[0xFF0000]]


def test_alpha_refers_to_alpha() -> None:
    window = GlzWindow(1000)
    opaque = literal(bytes([9]), bytes([8]), bytes([7]), bytes([6]))
    window.decode(picture(0, literal(RED, RED, RED, RED) + opaque, kind=LzType.RGBA))
    body = back(4, 0, pictures=1) + bytes([2 << 5, 0, 1])
    assert window.decode(picture(1, body, kind=LzType.RGBA, back=1)).pixels.tolist() == [
        [0x09FF0000, 0x08FF0000, 0x07FF0000, 0x06FF0000]
    ]


@pytest.mark.parametrize(("high", "alpha"), [(False, 0), (True, 255)])
def test_what_has_no_alpha_counts_as_its_message_says(high: bool, alpha: int) -> None:
    window = GlzWindow(1000)
    window.decode(picture(0, literal(RED, RED, RED, RED)), high_bits_set=high)
    body = back(4, 0, pictures=1) + bytes([2 << 5, 0, 1])
    assert window.decode(picture(1, body, kind=LzType.RGBA, back=1)).pixels.tolist() == [[alpha << 24 | 0xFF0000] * 4]


def test_sixteen_bits_become_three_bytes_that_others_refer_to() -> None:
    window = GlzWindow(1000)
    sixteen = literal(b"\x7c\x00", b"\x03\xe0") + bytes([1 << 5, 1, 0])[:1] + bytes([0, 0])
    window.decode(picture(0, sixteen, kind=LzType.RGB16))
    assert window.decode(picture(1, back(4, 0, pictures=1), back=1)).pixels.tolist() == [
        [0xFF0000, 0x00FF00, 0x00FF00, 0x00FF00]
    ]


def test_upside_down() -> None:
    window = GlzWindow(1000)
    made = window.decode(picture(0, literal(RED, GREEN), width=1, height=2, top_down=False))
    assert made.pixels.tolist() == [[0x00FF00], [0xFF0000]]


def test_the_window_forgets_what_nothing_will_refer_to() -> None:
    window = GlzWindow(1000)
    for number in range(5):
        window.decode(picture(number, literal(RED, RED, RED, RED), back=min(number, 2)))
    assert len(window) == 3
    with pytest.raises(RemoteProtocolError, match="forgotten"):
        window.decode(picture(5, back(4, 0, pictures=5), back=2))


def test_pictures_of_two_channels_may_come_in_another_order() -> None:
    window = GlzWindow(1000)
    window.decode(picture(0, literal(RED, RED, RED, RED)))
    late = picture(2, back(4, 0, pictures=1), back=0)
    with pytest.raises(MissingPicture) as missing:
        window.decode(late)
    assert missing.value.number == 1
    window.decode(picture(1, literal(GREEN, GREEN, GREEN, GREEN), back=1))
    assert window.decode(late).pixels.tolist() == [[0x00FF00] * 4]
    assert len(window) == 1


def test_a_message_that_is_given_again_has_its_picture_still() -> None:
    window = GlzWindow(1000)
    first = window.decode(picture(0, literal(RED, GREEN, RED, GREEN)))
    again = window.decode(picture(0, literal(RED, GREEN, RED, GREEN)))
    assert again.pixels.tolist() == first.pixels.tolist()
    assert len(window) == 1
    for number in (1, 2):
        window.decode(picture(number, literal(RED, RED, RED, RED), back=0))
    with pytest.raises(RemoteProtocolError, match="may be forgotten"):
        window.decode(picture(0, literal(RED, GREEN, RED, GREEN)))


def test_the_window_has_bounds() -> None:
    window = GlzWindow(6)
    for number in range(3):
        window.decode(picture(number, literal(RED, RED, RED, RED), back=number))
    with pytest.raises(RemoteProtocolError, match="more than 6"):
        window.decode(picture(3, literal(RED, RED, RED, RED), back=3))


BAD = {
    "another picture with the same number": picture(0, literal(RED, RED), width=2),
    "a reference over a picture's end": picture(1, back(4, 1, pictures=1)),
    "a reference before this one": picture(1, literal(RED) + back(3, 1)),
    "too much from before": picture(1, literal(RED) + back(4, 0, pictures=1)),
    "too many pixels": picture(1, literal(*[RED] * 5)),
    "nothing": picture(1, b""),
    "palette indexes": picture(1, literal(RED), kind=LzType.PLT8),
    "no GLZ": bytes(60),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(body: bytes) -> None:
    window = GlzWindow(1000)
    window.decode(picture(0, literal(RED, RED, RED, RED)))
    with pytest.raises(RemoteProtocolError):
        window.decode(body)
    assert len(window) == 1


@given(st.binary(max_size=80), st.sampled_from([LzType.RGB32, LzType.RGBA, LzType.RGB16]))
def test_any_bytes_are_a_picture_or_the_peers_fault(body: bytes, kind: LzType) -> None:
    window = GlzWindow(1000)
    window.decode(picture(0, literal(RED, RED, RED, RED)))
    try:
        made = window.decode(picture(1, body, kind=kind, width=8, height=8))
    except RemoteProtocolError:
        return
    assert made.pixels.shape == (8, 8)
