"""Names and capability bits."""

from hypothesis import given
from hypothesis import strategies as st

from frazil.spice.capabilities import CommonCap, has, without, words_of
from frazil.spice.channels import ChannelType, channel_name
from frazil.spice.link_errors import LinkError, link_error_name


def test_channels_have_names() -> None:
    assert [channel_name(c) for c in (1, 2, 3, 4, 5, 6, 9, 10)] == [
        "main",
        "display",
        "inputs",
        "cursor",
        "playback",
        "record",
        "usbredir",
        "port",
    ]
    assert channel_name(42) == "channel-42"
    assert ChannelType(11) is ChannelType.WEBDAV


def test_link_errors_have_names() -> None:
    assert link_error_name(LinkError.PERMISSION_DENIED) == "permission-denied"
    assert link_error_name(77) == "link-error-77"


@given(st.sets(st.integers(0, 200)))
def test_capability_words_hold_exactly_their_bits(bits: set[int]) -> None:
    words = words_of(bits)
    assert {bit for bit in range(256) if has(words, bit)} == bits
    for bit in bits:
        assert {b for b in range(256) if has(without(words, bit), b)} == bits - {bit}


def test_clearing_a_bit_past_the_end_changes_nothing() -> None:
    assert without((1,), 40) == (1,)
    assert words_of([CommonCap.AUTH_SELECTION, CommonCap.MINI_HEADER]) == (0b1001,)
