"""LZ pictures: whatever an encoder may write comes back, and what can't be right is refused."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.pictures.lz import LzType, decode_alpha, decode_lz, unpack

FEWEST = {1: 3, 2: 2, 3: 1}


@dataclass(frozen=True)
class Step:
    """Units as they are, or `length` units from `distance` units back."""

    literal: bytes = b""
    distance: int = 0
    length: int = 0


@st.composite
def programs(draw: st.DrawFn, unit: int) -> list[Step]:
    """Steps of an encoder, of which the first one is not a reference."""
    steps = [Step(literal=draw(st.binary(min_size=unit, max_size=unit)))]
    made = 1
    for _ in range(draw(st.integers(0, 12))):
        if draw(st.booleans()):
            count = draw(st.integers(1, 32))
            steps.append(Step(literal=draw(st.binary(min_size=count * unit, max_size=count * unit))))
            made += count
        else:
            length = draw(st.integers(FEWEST[unit], 600) | st.sampled_from([FEWEST[unit] + 6 + 255, 9000]))
            steps.append(Step(distance=draw(st.integers(1, made) | st.just(made)), length=length))
            made += length
    return steps


def packed(steps: list[Step], unit: int) -> bytes:
    out = bytearray()
    for step in steps:
        if step.literal:
            out.append(len(step.literal) // unit - 1)
            out += step.literal
            continue
        length, distance = step.length - FEWEST[unit], step.distance - 1
        near = min(distance, 8191)
        out.append(min(length + 1, 7) << 5 | near >> 8)
        if length >= 6:
            rest = length - 6
            out += b"\xff" * (rest // 255) + bytes([rest % 255])
        out.append(near & 255)
        if distance >= 8191:
            out += struct.pack(">H", distance - 8191)
    return bytes(out)


def unpacked(steps: list[Step], unit: int) -> bytes:
    """The same, one unit at a time."""
    out = bytearray()
    for step in steps:
        out += step.literal
        for _ in range(step.length):
            start = len(out) - step.distance * unit
            out += out[start : start + unit]
    return bytes(out)


def header(kind: LzType, width: int, height: int, stride: int, *, top_down: bool = True) -> bytes:
    return b"  ZL" + struct.pack(">6I", 0x00010001, kind, width, height, stride, top_down)


@pytest.mark.parametrize("unit", [1, 2, 3])
@given(data=st.data())
def test_any_steps_come_back(unit: int, data: st.DataObject) -> None:
    steps = data.draw(programs(unit))
    plain = unpacked(steps, unit)
    cursor = Cursor(packed(steps, unit) + b"more")
    assert unpack(cursor, len(plain) // unit, unit=unit) == plain
    assert bytes(cursor.view(cursor.remaining)) == b"more"


def literal(data: bytes, unit: int) -> bytes:
    return packed([Step(literal=data[i : i + 32 * unit]) for i in range(0, len(data), 32 * unit)], unit)


def test_colours_are_blue_first_and_lines_may_be_upside_down() -> None:
    body = literal(bytes([1, 2, 3, 4, 5, 6]), 3)
    up = decode_lz(header(LzType.RGB32, 1, 2, 4, top_down=False) + body)
    down = decode_lz(header(LzType.RGB24, 1, 2, 3) + body)
    assert down.pixels.tolist() == [[0x030201], [0x060504]]
    assert up.pixels.tolist() == [[0x060504], [0x030201]]
    assert not up.alpha


def test_the_alpha_is_a_plane_of_its_own() -> None:
    body = literal(bytes([1, 2, 3, 4, 5, 6]), 3) + literal(bytes([9, 8]), 1)
    picture = decode_lz(header(LzType.RGBA, 2, 1, 8) + body)
    assert picture.alpha
    assert picture.pixels.tolist() == [[0x09030201, 0x08060504]]


def test_sixteen_bits_are_big_endian() -> None:
    picture = decode_lz(header(LzType.RGB16, 2, 1, 4) + literal(bytes([0x7C, 0x00, 0x00, 0x1F]), 2))
    assert picture.pixels.tolist() == [[0xFF0000, 0x0000FF]]


def test_alpha_alone() -> None:
    body = header(LzType.A8, 2, 1, 2) + literal(bytes([7, 9]), 1)
    assert decode_lz(body).pixels.tolist() == [[7 << 24, 9 << 24]]
    assert decode_lz(body).only_alpha
    head, plane = decode_alpha(header(LzType.XXXA, 2, 1, 8) + literal(bytes([7, 9]), 1))
    assert (head.width, bytes(plane)) == (2, bytes([7, 9]))
    with pytest.raises(RemoteProtocolError, match="RGB32"):
        decode_alpha(header(LzType.RGB32, 1, 1, 4) + literal(bytes(3), 3))
    with pytest.raises(RemoteProtocolError, match="alone"):
        decode_lz(header(LzType.XXXA, 1, 1, 4) + literal(bytes(1), 1))


@pytest.mark.parametrize(
    ("kind", "width", "packed_line", "expected"),
    [
        (LzType.PLT8, 3, [0, 2, 1], [10, 30, 20]),
        (LzType.PLT4_BE, 3, [0x02, 0x10], [10, 30, 20]),
        (LzType.PLT4_LE, 3, [0x20, 0x01], [10, 30, 20]),
        (LzType.PLT1_BE, 3, [0b01000000], [10, 20, 10]),
        (LzType.PLT1_LE, 3, [0b00000010], [10, 20, 10]),
        (LzType.PLT4_BE, 2, [0x3F], [10, 10]),  # beyond a palette of three: it begins again
    ],
)
def test_palettes(kind: LzType, width: int, packed_line: list[int], expected: list[int]) -> None:
    line = bytes(packed_line)
    picture = decode_lz(header(kind, width, 1, len(line)) + literal(line, 1), (10, 20, 30))
    assert picture.pixels.tolist() == [expected]
    with pytest.raises(RemoteProtocolError, match="no palette"):
        decode_lz(header(kind, width, 1, len(line)) + literal(line, 1))


BAD = {
    "no LZ": b"XXXX" + bytes(40),
    "another version": b"  ZL" + struct.pack(">6I", 2, 8, 1, 1, 4, 1),
    "no type": b"  ZL" + struct.pack(">6I", 0x00010001, 99, 1, 1, 4, 1),
    "no pixels": header(LzType.RGB32, 0, 1, 4),
    "an endless picture": header(LzType.RGB32, 0xFFFFFFFF, 0xFFFFFFFF, 4),
    "an endless line": header(LzType.PLT8, 1, 1, 0xFFFFFFFF),
    "a short line": header(LzType.PLT8, 9, 1, 8),
    "a reference to nowhere": header(LzType.RGB32, 9, 1, 4) + bytes([0, 1, 2, 3, 0x20, 5]),
    "more than there is room for": header(LzType.RGB32, 2, 1, 4) + bytes([31]) + bytes(96),
    "a length without end": header(LzType.RGB32, 2, 1, 4) + bytes([0, 1, 2, 3, 0xE0]) + b"\xff" * 100,
    "nothing": header(LzType.RGB32, 2, 1, 4),
    "half a literal": header(LzType.RGB32, 2, 1, 4) + bytes([1, 2, 3]),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_right_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_lz(body, (1, 2))


@given(st.sampled_from(LzType), st.integers(1, 40), st.integers(1, 40), st.binary(max_size=80))
def test_any_bytes_are_a_picture_or_the_peers_fault(kind: LzType, width: int, height: int, body: bytes) -> None:
    try:
        picture = decode_lz(header(kind, width, height, width) + body, (1, 2, 3))
    except RemoteProtocolError:
        return
    assert picture.pixels.shape == (height, width)
    assert picture.pixels.dtype == np.uint32
