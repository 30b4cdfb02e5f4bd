"""QUIC: the codes, the model and the runs; that real pictures come out right, the captures show."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.display_channel import DISPLAY_FROM_SERVER, DisplayServer
from frazil.spice.draw_records import DrawCopy
from frazil.spice.image_records import Coded, ImageType
from frazil.spice.pictures.quic import (
    CHANCE,
    FAMILY_5,
    FAMILY_8,
    HEADER_BYTES,
    Bits,
    Family,
    QuicType,
    decode_planes,
    decode_quic,
    picture_of,
)
from tests.harness import captures


def header(kind: int, width: int, height: int, version: int = 0) -> bytes:
    return b"QUIC" + struct.pack("<4I", version, kind, width, height)


def words(bits: str) -> bytes:
    """Ones and zeros as the stream has them: in words of 32 bits, little-endian."""
    bits += "0" * (-len(bits) % 32)
    return b"".join(struct.pack("<I", int(bits[at : at + 32], 2)) for at in range(0, len(bits), 32))


def coded(family: Family, code: int, number: int) -> str:
    """A number's code word, made from the rule and not from the decoder's tables."""
    bits = family.bits
    prefix = min(26 - bits, (1 << bits - code) - 1)
    if number < prefix << code:
        low = f"{number & (1 << code) - 1:0{code}b}" if code else ""
        return "0" * (number >> code) + "1" + low
    rest = number - (prefix << code)
    length = ((1 << bits) - (prefix << code) - 1).bit_length()
    return "0" * prefix + (f"{rest:0{length}b}" if length else "")


@pytest.mark.parametrize("family", [FAMILY_8, FAMILY_5], ids=["8 bits", "5 bits"])
@given(data=st.data())
def test_each_number_comes_back_in_each_code(family: Family, data: st.DataObject) -> None:
    code = data.draw(st.integers(0, family.bits - 1))
    numbers = data.draw(st.lists(st.integers(0, 2**family.bits - 1), min_size=1, max_size=20))
    written = [coded(family, code, number) for number in numbers]
    bits = Bits(words("".join(written)))
    assert [family.read(bits, code) for _ in numbers] == numbers
    assert bits.at == sum(map(len, written))
    assert [family.lengths[code][number] for number in numbers] == [len(word) for word in written]


def test_signs_take_turns() -> None:
    assert [FAMILY_8.signed[number] for number in range(5)] == [0, 255, 1, 254, 2]
    assert sorted(FAMILY_5.signed) == list(range(32))


def test_buckets_double() -> None:
    sizes = [FAMILY_8.bucket_of.count(bucket) for bucket in range(FAMILY_8.bucket_of[-1] + 1)]
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 129]
    assert [FAMILY_5.bucket_of.count(bucket) for bucket in range(5)] == [1, 2, 4, 8, 17]
    assert (len(CHANCE), max(CHANCE)) == (256, 63)


def test_a_line_by_hand() -> None:
    """Three grey pixels: 3, 3 - 1, 2 + 0. The first code has seven plain bits, as the model does not know better yet.

    The numbers are 6, 1 and 0, the second and third by what the model has learned of bucket 0 alone.
    """
    first = coded(FAMILY_8, 7, 6)
    body = header(QuicType.GRAY, 3, 1) + words(first + coded(FAMILY_8, 7, 1) + coded(FAMILY_8, 7, 0)) + bytes(8)
    assert decode_quic(body).pixels.tolist() == [[0x030303, 0x020202, 0x020202]]


def first_capture() -> bytes:
    """A real picture."""
    for number, body in captures.messages("quic"):
        if number == DisplayServer.DRAW_COPY:
            draw = DISPLAY_FROM_SERVER.decode(number, body)
            assert isinstance(draw, DrawCopy)
            if draw.source and draw.source.type == ImageType.QUIC and isinstance(draw.source.content, Coded):
                return bytes(draw.source.content.data)
    raise AssertionError("the capture has a QUIC picture")


@given(st.data())
def test_a_real_picture_that_is_cut_off_is_refused(data: st.DataObject) -> None:
    whole = first_capture()
    decode_quic(whole)
    with pytest.raises(RemoteProtocolError):
        decode_quic(whole[: data.draw(st.integers(0, len(whole) // 2))])


BAD = {
    "no QUIC": b"QUIT" + bytes(40),
    "half a header": header(4, 1, 1)[:-1],
    "another version": header(4, 1, 1, version=1) + bytes(8),
    "no type": header(0, 1, 1) + bytes(8),
    "no pixels": header(4, 0, 9) + bytes(8),
    "an endless picture": header(4, 1 << 20, 1 << 20) + bytes(8),
    "nothing": header(4, 1, 1),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_quic(body)


def test_runs_and_what_is_over_the_end_of_a_line() -> None:
    """Once the model has seen a zero, zeros take one bit. The second line's fourth pixel is where a run may begin."""
    begun = coded(FAMILY_8, 7, 0) + "111" + "111"
    assert decode_quic(header(QuicType.GRAY, 5, 2) + words(begun + "1" + "110" + "0" * 32)).pixels.any() == 0
    endless = header(QuicType.GRAY, 4, 2) + words(begun + "1" * 4000)
    with pytest.raises(RemoteProtocolError, match="run"):
        decode_planes(endless)
    with pytest.raises(RemoteProtocolError):
        decode_quic(endless)


@given(st.sampled_from(QuicType), st.integers(1, 30), st.integers(1, 30), st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_the_peers_fault(kind: QuicType, width: int, height: int, body: bytes) -> None:
    try:
        picture = decode_quic(header(kind, width, height) + body)
    except RemoteProtocolError:
        return
    assert picture.pixels.shape == (height, width)
    assert len(header(kind, width, height)) == HEADER_BYTES


def test_planes_become_pixels() -> None:
    planes = np.array([[[1], [2], [3], [4]]], np.uint8)
    assert picture_of(QuicType.RGBA, planes).pixels.tolist() == [[0x04010203]]
    assert picture_of(QuicType.RGB24, planes).pixels.tolist() == [[0x010203]]
    assert picture_of(QuicType.GRAY, planes).pixels.tolist() == [[0x010101]]
    assert picture_of(QuicType.RGB16, planes[:, :3] * 5).pixels.tolist() == [[0x29527B]]
