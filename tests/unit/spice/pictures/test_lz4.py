"""LZ4 pictures: blocks of any sequences, and formats."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.image_records import BitmapFormat
from frazil.spice.pictures.lz4 import decode_lz4, unpack_block


def length(value: int, first: int) -> bytes:
    """What follows a token whose four bits are full."""
    if value < first:
        return b""
    return b"\xff" * ((value - first) // 255) + bytes([(value - first) % 255])


def sequence(literals: bytes, distance: int = 0, copied: int = 0) -> bytes:
    token = min(len(literals), 15) << 4 | (min(copied - 4, 15) if copied else 0)
    out = bytes([token]) + length(len(literals), 15) + literals
    if copied:
        out += struct.pack("<H", distance) + length(copied - 4, 15)
    return out


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.integers(0, 99), st.integers(4, 900)), max_size=6),
    st.binary(min_size=1, max_size=300),
)
def test_any_sequences_come_back(sequences: list[tuple[bytes, int, int]], last: bytes) -> None:
    packed, plain = b"", bytearray()
    for literals, back, copied in sequences:
        plain += literals
        distance = 1 + back % len(plain)
        packed += sequence(literals, distance, copied)
        for _ in range(copied):
            plain.append(plain[-distance])
    plain += last
    out = bytearray()
    unpack_block(packed + sequence(last), out, limit=len(plain))
    assert out == plain


def picture(form: int, *blocks: bytes, top_down: int = 1) -> bytes:
    return bytes([top_down, form]) + b"".join(struct.pack(">I", len(block)) + block for block in blocks)


@pytest.mark.parametrize(
    ("form", "data", "pixel", "alpha"),
    [
        (BitmapFormat.BIT32, bytes([1, 2, 3, 0]), 0x030201, False),
        (BitmapFormat.RGBA, bytes([1, 2, 3, 9]), 0x09030201, True),
        (BitmapFormat.BIT24, bytes([1, 2, 3]), 0x030201, False),
        (BitmapFormat.BIT16, bytes([0x00, 0x7C]), 0xFF0000, False),
    ],
)
def test_formats(form: BitmapFormat, data: bytes, pixel: int, alpha: bool) -> None:
    made = decode_lz4(picture(form, sequence(data)), 1, 1)
    assert made.pixels.tolist() == [[pixel]]
    assert made.alpha is alpha


def test_a_block_refers_to_the_one_before_and_lines_may_be_upside_down() -> None:
    blocks = (sequence(bytes([1, 0, 0, 0])), sequence(bytes([2]), 4, 11) + sequence(b""))
    made = decode_lz4(picture(BitmapFormat.BIT32, *blocks, top_down=0), 1, 4)
    assert made.pixels[-1].tolist() == [1]
    assert made.pixels[-2].tolist() == [2]


BAD = {
    "another format": picture(BitmapFormat.BIT8, sequence(bytes(4))),
    "too few bytes": picture(BitmapFormat.BIT32, sequence(bytes(3))),
    "too many bytes": picture(BitmapFormat.BIT32, sequence(bytes(5))),
    "a copy of nothing": picture(BitmapFormat.BIT32, sequence(b"", 1, 4)),
    "a copy without distance": picture(BitmapFormat.BIT32, sequence(b"x", 0, 4)),
    "a copy that is too long": picture(BitmapFormat.BIT32, sequence(b"x", 1, 900)),
    "a block that is cut off": picture(BitmapFormat.BIT32, sequence(bytes(4)))[:-1],
    "a block without its end": picture(BitmapFormat.BIT32, sequence(b"x", 1, 4)),
    "an endless length": picture(BitmapFormat.BIT32, b"\xf0" + b"\xff" * 99),
    "nothing": b"",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_lz4(body, 1, 1)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_picture_or_the_peers_fault(body: bytes) -> None:
    try:
        made = decode_lz4(body, 3, 2)
    except RemoteProtocolError:
        return
    assert made.pixels.shape == (2, 3)
