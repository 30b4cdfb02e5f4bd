"""Agent messages: cut, joined, and the clipboard in all its layouts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import RemoteProtocolError
from frazil.spice.agent_clipboard import (
    ClipboardData,
    ClipboardGrab,
    ClipboardLayout,
    ClipboardRelease,
    ClipboardRequest,
    Selection,
)
from frazil.spice.agent_messages import AgentCap, AgentHeader, AgentType
from frazil.spice.agent_stream import AGENT_DATA_MAX_BYTES, AgentAssembler, AgentParser, split
from frazil.spice.capabilities import words_of
from frazil.spice.records import encode

U32 = st.integers(0, 0xFFFFFFFF)
CONTENTS = st.one_of(
    st.builds(ClipboardGrab, types=st.lists(U32, max_size=8).map(tuple)),
    st.builds(ClipboardRequest, type=U32),
    st.builds(ClipboardData, type=U32, data=st.binary(max_size=50)),
    st.builds(ClipboardRelease),
)


@given(st.lists(st.tuples(U32, st.binary(max_size=6000)), max_size=6))
def test_messages_come_back_whole(messages: list[tuple[int, bytes]]) -> None:
    assembler = AgentAssembler()
    seen = []
    for agent_type, body in messages:
        bodies = split(agent_type, body)
        assert all(len(b) <= AGENT_DATA_MAX_BYTES for b in bodies)
        for part in bodies:
            whole = assembler.feed(memoryview(part))
            if whole is not None:
                seen.append((whole[0].type, whole[1]))
    assert seen == messages


def test_the_header_is_that_of_the_header_file() -> None:
    # protocol 1, type 8 (request), opaque, size 4, then text.
    (body,) = split(AgentType.CLIPBOARD_REQUEST, b"\1\0\0\0")
    assert body == bytes.fromhex("01000000 08000000 0000000000000000 04000000 01000000")


def header(*, size: int, protocol: int = 1) -> bytes:
    return encode(AgentHeader(protocol=protocol, type=4, opaque=0, size=size))


@pytest.mark.parametrize(
    "bodies",
    [
        [header(size=0)[:19]],
        [header(size=0, protocol=2)],
        [header(size=3) + b"1234"],
        [header(size=10) + b"1234", b"1234567"],
        [header(size=10), b""],
        [header(size=9999) + bytes(2029)],
    ],
    ids=["cut header", "other protocol", "too long", "too long later", "empty", "over 2048"],
)
def test_pieces_that_do_not_make_up_a_message_are_refused(bodies: list[bytes]) -> None:
    parser = AgentParser()
    for body in bodies[:-1]:
        parser.feed(memoryview(body))
    with pytest.raises(RemoteProtocolError):
        parser.feed(memoryview(bodies[-1]))


def test_a_giant_message_is_refused_at_its_first_piece() -> None:
    with pytest.raises(RemoteProtocolError, match="over 100"):
        AgentAssembler(message_max_bytes=100).feed(memoryview(header(size=101)))


def test_an_agent_that_begins_anew_is_understood() -> None:
    assembler = AgentAssembler()
    assert assembler.feed(memoryview(header(size=10) + b"12345")) is None
    assembler.reset()
    whole = assembler.feed(memoryview(header(size=1) + b"x"))
    assert whole is not None
    assert whole[1] == b"x"


@given(st.booleans(), st.booleans(), CONTENTS, st.integers(0, 255), U32)
def test_clipboard_messages_come_back_in_every_layout(
    selection: bool, serial: bool, content: object, which: int, number: int
) -> None:
    layout = ClipboardLayout(selection=selection, serial=serial)
    body = layout.encode(content, selection=which, serial=number)
    decoded = layout.decode(type(content), body)
    assert decoded.content == content
    assert decoded.selection == (which if selection else Selection.CLIPBOARD)
    assert decoded.serial == (number if serial and isinstance(content, ClipboardGrab) else 0)


# By hand from vd_agent.h: selection and three bytes, then the serial, then the types.
@pytest.mark.parametrize(
    ("selection", "serial", "wire"),
    [
        (False, False, "01000000"),
        (True, False, "01000000 01000000"),
        (False, True, "07000000 01000000"),
        (True, True, "01000000 07000000 01000000"),
    ],
)
def test_a_grab_is_laid_out_as_in_the_header_file(selection: bool, serial: bool, wire: str) -> None:
    layout = ClipboardLayout(selection=selection, serial=serial)
    assert layout.encode(ClipboardGrab(types=(1,)), selection=1, serial=7) == bytes.fromhex(wire)


def test_both_sides_must_know_a_field() -> None:
    both = words_of([AgentCap.CLIPBOARD_SELECTION, AgentCap.CLIPBOARD_GRAB_SERIAL])
    one = words_of([AgentCap.CLIPBOARD_SELECTION])
    assert ClipboardLayout.between(both, both) == ClipboardLayout(selection=True, serial=True)
    assert ClipboardLayout.between(both, one) == ClipboardLayout(selection=True, serial=False)
    assert ClipboardLayout.between((), both) == ClipboardLayout()
