"""Messages inside a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.base_messages import BaseServer
from frazil.spice.framing import HeaderKind, Message, MessageParser, encode
from frazil.spice.sub_lists import fold, unfold

NUMBERS = st.integers(0, 0xFFFF).filter(lambda number: number != BaseServer.LIST)
SUBS = st.lists(st.tuples(NUMBERS, st.binary(max_size=30)), max_size=6)


def parse(kind: HeaderKind, packet: bytes) -> Message:
    (message,) = MessageParser(kind).feed(packet)
    return message


def seen(message: Message) -> list[tuple[int, bytes]]:
    return [(m.type, bytes(m.body)) for m in unfold(message)]


@given(SUBS, st.binary(max_size=40))
def test_a_list_behind_a_body_comes_first(subs: list[tuple[int, bytes]], body: bytes) -> None:
    body = b"!" + body  # An offset of 0 is no list.
    whole = body + fold(subs, at=len(body))
    packet = encode(HeaderKind.FULL, 103, whole, serial=5, sub_list=len(body))
    message = parse(HeaderKind.FULL, packet)
    assert message.serial == 5
    assert seen(message) == [*subs, (103, whole)]


@given(st.sampled_from(HeaderKind), SUBS)
def test_a_list_message_is_only_an_envelope(kind: HeaderKind, subs: list[tuple[int, bytes]]) -> None:
    assert seen(parse(kind, encode(kind, BaseServer.LIST, fold(subs)))) == subs


def test_a_message_without_a_list_is_itself() -> None:
    assert seen(parse(HeaderKind.FULL, encode(HeaderKind.FULL, 103, b"abc"))) == [(103, b"abc")]


def test_a_list_is_laid_out_as_in_the_header_file() -> None:
    assert fold([(3, b"ab")], at=4) == bytes.fromhex("0100 0a000000 0300 02000000 6162")


@pytest.mark.parametrize(
    "body",
    ["", "01", "ffff 06000000", "0100 ff000000", "0100 06000000 0300 05000000 61"],
    ids=["empty", "cut count", "giant count", "outside", "reaches over the end"],
)
def test_a_list_that_reaches_over_the_end_is_refused(body: str) -> None:
    with pytest.raises(RemoteProtocolError):
        seen(parse(HeaderKind.MINI, encode(HeaderKind.MINI, BaseServer.LIST, bytes.fromhex(body))))


def test_few_bytes_do_not_stand_for_many() -> None:
    sub = (1).to_bytes(2, "little") + (1000).to_bytes(4, "little") + bytes(1000)
    head = 2 + 4 * 100
    body = (100).to_bytes(2, "little") + head.to_bytes(4, "little") * 100 + sub
    with pytest.raises(RemoteProtocolError):
        seen(parse(HeaderKind.MINI, encode(HeaderKind.MINI, BaseServer.LIST, body)))


def test_a_list_in_a_list_is_refused() -> None:
    inner = fold([(103, b"hidden")])
    with pytest.raises(RemoteProtocolError, match="another list"):
        seen(parse(HeaderKind.MINI, encode(HeaderKind.MINI, BaseServer.LIST, fold([(BaseServer.LIST, inner)]))))
    behind = b"body" + fold([(BaseServer.LIST, inner)], at=4)
    with pytest.raises(RemoteProtocolError, match="another list"):
        seen(parse(HeaderKind.FULL, encode(HeaderKind.FULL, 103, behind, sub_list=4)))


def test_a_mini_header_has_no_place_for_a_list() -> None:
    with pytest.raises(LocalProtocolError):
        encode(HeaderKind.MINI, 103, b"abc", sub_list=1)
