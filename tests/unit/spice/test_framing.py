"""Messages come out whole however the bytes come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.framing import HeaderKind, MessageParser, encode

MESSAGES = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=12)


@given(st.sampled_from(HeaderKind), MESSAGES, st.lists(st.integers(1, 80), min_size=1, max_size=20))
def test_any_cutting_gives_the_same_messages(
    kind: HeaderKind, messages: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(encode(kind, t, body, serial=n) for n, (t, body) in enumerate(messages, 1))
    parser = MessageParser(kind)
    seen: list[tuple[int, int, bytes]] = []
    at, turn = 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        seen += [(m.type, m.size, bytes(m.body)) for m in parser.feed(stream[at : at + step])]
        at, turn = at + step, turn + 1
    assert seen == [(t, len(body), body) for t, body in messages]
    assert parser.buffered == 0


def test_a_whole_message_is_not_copied() -> None:
    data = bytearray(encode(HeaderKind.MINI, 103, b"abcd"))
    (message,) = MessageParser(HeaderKind.MINI).feed(data)
    data[6] = ord("x")
    assert bytes(message.body) == b"xbcd"


@pytest.mark.parametrize("kind", list(HeaderKind))
def test_a_giant_body_is_refused_at_its_header(kind: HeaderKind) -> None:
    header = encode(kind, 1, b"x" * 101)[: kind.value]
    with pytest.raises(RemoteProtocolError, match="101"):
        list(MessageParser(kind, body_max_bytes=100).feed(header))


def test_a_part_is_kept() -> None:
    parser = MessageParser(HeaderKind.FULL)
    assert list(parser.feed(b"\0" * 10)) == []
    assert parser.buffered == 10


def test_a_type_has_sixteen_bits() -> None:
    with pytest.raises(LocalProtocolError):
        encode(HeaderKind.MINI, 1 << 16, b"")
