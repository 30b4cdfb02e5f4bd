"""The compiled decoders against their readable twins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.display_channel import DISPLAY_FROM_SERVER
from frazil.spice.image_records import Coded, Image, ImageType
from frazil.spice.pictures import coders
from frazil.spice.pictures.lz import unpack, unpack_plainly
from frazil.spice.pictures.quic import QuicType, decode_planes, decode_planes_compiled
from tests.harness import captures
from tests.unit.spice.pictures.test_lz import packed, programs
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


@pytest.mark.parametrize(("chances", "depth", "colors"), [(b"", 8, 3), (bytes(256), 7, 3), (bytes(256), 8, 2)])
def test_what_no_picture_is_asked_for(chances: bytes, depth: int, colors: int) -> None:
    with pytest.raises(TypeError):
        coders.quic(b"", chances, depth=depth, colors=colors, alpha=False, width=1, height=1)
    with pytest.raises(TypeError):
        coders.lz(b"", 1, 4)
