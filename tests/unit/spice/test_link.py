"""The link exchange."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice import link
from frazil.spice.link import BadLink, LinkMessage, LinkReply
from frazil.spice.link_errors import LinkError

U32 = st.integers(0, 0xFFFFFFFF)
CAPS = st.lists(U32, max_size=link.CAPABILITY_WORDS_MAX).map(tuple)

# What spice-html5 0.2.1 sends on its main link, byte for byte.
BROWSER_MAIN = bytes.fromhex(
    "52454451 02000000 02000000 1a000000 00000000 01 00 01000000 01000000 12000000 09000000 08000000"
)


def body_of(packet: bytes) -> bytes:
    size = link.decode_header(packet[: link.HEADER_BYTES])
    assert size == len(packet) - link.HEADER_BYTES
    return packet[link.HEADER_BYTES :]


@given(
    st.builds(
        LinkMessage,
        connection_id=U32,
        channel_type=st.integers(0, 255),
        channel_id=st.integers(0, 255),
        common_caps=CAPS,
        channel_caps=CAPS,
    )
)
def test_messages_come_back(message: LinkMessage) -> None:
    assert link.decode_message(body_of(link.encode_message(message))) == message


@given(
    st.builds(
        LinkReply,
        error=st.just(0),
        public_key=st.binary(min_size=162, max_size=162),
        common_caps=CAPS,
        channel_caps=CAPS,
    )
)
def test_replies_come_back(reply: LinkReply) -> None:
    assert link.decode_reply(body_of(link.encode_reply(reply))) == reply


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_bad_link(body: bytes) -> None:
    for decode in (link.decode_header, link.decode_message, link.decode_reply):
        try:
            decode(body)
        except RemoteProtocolError:
            continue


def test_a_browsers_message_is_understood() -> None:
    message = link.decode_message(body_of(BROWSER_MAIN))
    assert message == LinkMessage(connection_id=0, channel_type=1, channel_id=0, common_caps=(9,), channel_caps=(8,))
    assert link.encode_message(message) == BROWSER_MAIN


def test_capabilities_may_stand_further_on() -> None:
    moved = bytearray(body_of(BROWSER_MAIN))
    moved[14:18] = (22).to_bytes(4, "little")
    moved[18:18] = b"....".ljust(4)
    assert link.decode_message(bytes(moved)).common_caps == (9,)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"HTTP" + BROWSER_MAIN[4:16], LinkError.INVALID_MAGIC),
        (b"REDQ" + bytes([3]) + BROWSER_MAIN[5:16], LinkError.VERSION_MISMATCH),
        (BROWSER_MAIN[:12] + (4097).to_bytes(4, "little"), LinkError.INVALID_DATA),
        (BROWSER_MAIN[:12] + b"\xff\xff\xff\xff", LinkError.INVALID_DATA),
    ],
)
def test_bad_headers_have_their_answer(header: bytes, error: LinkError) -> None:
    with pytest.raises(BadLink) as caught:
        link.decode_header(header)
    assert caught.value.error == error


@pytest.mark.parametrize("field", [6, 10, 14])
def test_giant_counts_and_offsets_are_refused(field: int) -> None:
    body = bytearray(body_of(BROWSER_MAIN))
    body[field : field + 4] = b"\xff\xff\xff\x7f"
    with pytest.raises(BadLink) as caught:
        link.decode_message(bytes(body))
    assert caught.value.error == LinkError.INVALID_DATA


def test_a_refusal_is_whole_and_understood() -> None:
    packet = link.encode_refusal(LinkError.NEED_SECURED)
    assert len(packet) == link.HEADER_BYTES + link.REPLY_FIXED_BYTES
    assert link.decode_reply(body_of(packet)) == LinkReply(error=5)
    assert link.decode_reply((7).to_bytes(4, "little")) == LinkReply(error=7)


def test_a_short_reply_is_the_servers_fault() -> None:
    with pytest.raises(BadLink):
        link.decode_reply(bytes(100))


def test_we_may_not_send_what_does_not_fit() -> None:
    with pytest.raises(LocalProtocolError, match="162"):
        link.encode_reply(LinkReply(error=0, public_key=b"short"))
    with pytest.raises(LocalProtocolError, match="64"):
        link.encode_message(LinkMessage(connection_id=0, channel_type=1, channel_id=0, common_caps=(0,) * 65))


@pytest.mark.parametrize(("client", "server", "both"), [(8, 8, True), (8, 0, False), (0, 8, False)])
def test_mini_headers_need_both_sides(client: int, server: int, both: bool) -> None:
    message = LinkMessage(connection_id=0, channel_type=1, channel_id=0, common_caps=(client,))
    assert link.uses_mini_header(message, LinkReply(error=0, common_caps=(server,))) is both


@pytest.mark.parametrize(("client", "server", "both"), [(1, 1, True), (1, 0, False), (0, 1, False)])
def test_naming_a_mechanism_needs_both_sides(client: int, server: int, both: bool) -> None:
    message = LinkMessage(connection_id=0, channel_type=1, channel_id=0, common_caps=(client,))
    assert link.selects_auth(message, LinkReply(error=0, common_caps=(server,))) is both
