"""The compiled decoders against their readable twins."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.display_channel import DISPLAY_FROM_SERVER
from frazil.spice.image_records import Coded, Image, ImageType
from frazil.spice.pictures import coders, lz4
from frazil.spice.pictures.glz import MissingPicture
from frazil.spice.pictures.glz import unpack_plainly as unpack_plainly_glz
from frazil.spice.pictures.lz import unpack, unpack_plainly
from frazil.spice.pictures.quic import QuicType, decode_planes, decode_planes_compiled
from tests.harness import captures
from tests.unit.spice.pictures.test_glz import back, far, run
from tests.unit.spice.pictures.test_lz import packed, programs
from tests.unit.spice.pictures.test_lz4 import sequence
from tests.unit.spice.pictures.test_quic import header


def test_the_package_is_built_with_them() -> None:
    assert coders.AVAILABLE, "pip install --no-build-isolation --no-deps -e . builds them"


def quic_pictures() -> Iterator[bytes]:
    for name in ("quic", "jpeg"):
        for number, body in captures.messages(name):
            source = getattr(DISPLAY_FROM_SERVER.decode(number, body), "source", None)
            if isinstance(source, Image) and source.type == ImageType.QUIC and isinstance(source.content, Coded):
                yield bytes(source.content.data)


QUIC = list(quic_pictures())


@pytest.mark.parametrize("picture", QUIC, ids=[str(number) for number in range(len(QUIC))])
def test_quic_of_the_real_server(picture: bytes) -> None:
    kind, planes = decode_planes(picture)
    again, compiled = decode_planes_compiled(picture)
    assert again is kind
    assert np.array_equal(compiled, planes)


def test_each_kind_of_quic_is_among_them() -> None:
    assert {decode_planes_compiled(picture)[0] for picture in QUIC} == set(QuicType) - {QuicType.GRAY}


@given(st.sampled_from(QUIC), st.data())
def test_quic_that_is_spoilt(picture: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(picture[: data.draw(st.integers(20, len(picture)))])
    for _ in range(data.draw(st.integers(0, 3))):
        spoilt[data.draw(st.integers(16, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    spoilt[12:20] = picture[12:20]
    assert_same_quic(bytes(spoilt))


@given(st.sampled_from(QuicType), st.integers(1, 40), st.integers(1, 12), st.binary(max_size=400))
def test_quic_of_any_bytes(kind: QuicType, width: int, height: int, body: bytes) -> None:
    assert_same_quic(header(kind, width, height) + body)


def assert_same_quic(picture: bytes) -> None:
    try:
        _, planes = decode_planes(picture)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            decode_planes_compiled(picture)
        return
    assert np.array_equal(decode_planes_compiled(picture)[1], planes)


def test_wide_pictures_learn_less_and_less() -> None:
    """Beyond 2,048 pixels the share of pixels that is learned from is halved, at last six times."""
    noise = np.random.default_rng(1).integers(0, 256, 40_000, np.uint8).tobytes()
    for kind in (QuicType.GRAY, QuicType.RGB32, QuicType.RGBA, QuicType.RGB16):
        assert_same_quic(header(kind, 5000, 3) + noise)


@pytest.mark.parametrize("unit", [1, 2, 3])
@given(data=st.data())
def test_lz(unit: int, data: st.DataObject) -> None:
    body = bytearray(packed(data.draw(programs(unit)), unit))
    for _ in range(data.draw(st.integers(0, 2))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    count = data.draw(st.integers(1, 3000))
    ours, theirs = Cursor(bytes(body)), Cursor(bytes(body))
    try:
        plain = unpack_plainly(ours, count, unit=unit)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            unpack(theirs, count, unit=unit)
        return
    assert unpack(theirs, count, unit=unit) == plain
    assert theirs.position == ours.position


@given(st.data())
def test_lz4(data: st.DataObject) -> None:
    pairs = st.tuples(st.binary(min_size=1, max_size=40), st.integers(0, 60), st.integers(4, 400))
    blocks = b""
    for _ in range(data.draw(st.integers(0, 3))):
        block = b"".join(sequence(*pair) for pair in data.draw(st.lists(pairs, max_size=4)))
        block += sequence(data.draw(st.binary(max_size=40)))
        blocks += struct.pack(">I", len(block)) + block
    spoilt = bytearray(blocks)
    for _ in range(data.draw(st.integers(0, 2)) if spoilt else 0):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    limit = data.draw(st.integers(0, 900))
    for body in (bytes(spoilt), blocks):
        try:
            plain = lz4.unpack_plainly(body, limit)
        except RemoteProtocolError as exc:
            with pytest.raises(RemoteProtocolError):
                coders.lz4(body, limit)
            instead = re.search(r"has (\d+) bytes instead", str(exc))
            if instead is None:
                continue
            limit = int(instead[1])
            plain = lz4.unpack_plainly(body, limit)
        assert coders.lz4(body, limit) == plain


PLANES = {1: bytes(range(90)), 2: b"\1\2\3" * 40, 70: bytes(300)}


def an_earlier_one(plane_bytes: int) -> Callable[[int], tuple[bytes | None, int, int]]:
    """What `GlzWindow` answers of earlier pictures, of which the one before the last has no plane of its own."""

    def answer(back: int) -> tuple[bytes | None, int, int]:
        if back not in PLANES:
            raise MissingPicture(-back)
        size = len(PLANES[back]) // 3 * plane_bytes
        return (None if back == 2 and plane_bytes == 1 else PLANES[back][:size]), size, 7

    return answer


@pytest.mark.parametrize(("plane_bytes", "narrow"), [(3, False), (3, True), (1, False)])
@given(data=st.data())
def test_glz(plane_bytes: int, narrow: bool, data: st.DataObject) -> None:
    unit = 2 if narrow else plane_bytes
    step = st.one_of(
        st.integers(1, 8)
        .flatmap(lambda count: st.binary(min_size=count * unit, max_size=count * unit))
        .map(lambda pixels: bytes([len(pixels) // unit - 1]) + pixels),
        st.builds(back, st.integers(1, 6), st.integers(0, 40), pictures=st.sampled_from([0, 1, 2, 3, 70])),
        st.builds(far, st.integers(1, 6), st.integers(0, 40), pictures=st.sampled_from([0, 1, 2, 70])),
        st.builds(run, st.integers(7, 600)),
        st.binary(max_size=6),
    )
    body = b"".join(data.draw(st.lists(step, max_size=12)))
    limit = data.draw(st.integers(1, 60)) * plane_bytes

    def glz(unpack: Callable[..., tuple[bytes | bytearray, int]]) -> tuple[bytes | bytearray, int]:
        earlier = an_earlier_one(plane_bytes)
        return unpack(body, limit, plane_bytes=plane_bytes, narrow=narrow, earlier=earlier)

    assert outcome(lambda: glz(coders.glz)) == outcome(lambda: glz(unpack_plainly_glz))


def outcome(call: Callable[[], object]) -> object:
    """What it returns, or which error with which picture's number."""
    try:
        return call()
    except RemoteProtocolError as exc:
        return type(exc), getattr(exc, "number", None)


@pytest.mark.parametrize(("chances", "depth", "colors"), [(b"", 8, 3), (bytes(256), 7, 3), (bytes(256), 8, 2)])
def test_what_no_picture_is_asked_for(chances: bytes, depth: int, colors: int) -> None:
    with pytest.raises(TypeError):
        coders.quic(b"", chances, depth=depth, colors=colors, alpha=False, width=1, height=1)
    with pytest.raises(TypeError):
        coders.lz(b"", 1, 4)
