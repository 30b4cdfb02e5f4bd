"""Reading fields within bounds."""

import pytest

from frazil.model.errors import RemoteProtocolError
from frazil.spice.cursor import Cursor


def test_reads_little_endian_fields_in_order() -> None:
    cursor = Cursor(bytes([1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9]))
    assert (cursor.u8(), cursor.u16(), cursor.u32(), cursor.u64()) == (1, 0x0302, 4, 5)
    assert bytes(cursor.view(1)) == b"\x09"
    assert (cursor.position, cursor.remaining) == (16, 0)
    cursor.check_end()


@pytest.mark.parametrize("read", ["u8", "u16", "u32", "u64"])
def test_a_short_message_is_the_peers_fault(read: str) -> None:
    with pytest.raises(RemoteProtocolError):
        getattr(Cursor(b""), read)()


@pytest.mark.parametrize("at", [-1, 5])
def test_an_offset_outside_is_refused(at: int) -> None:
    with pytest.raises(RemoteProtocolError, match="outside"):
        Cursor(b"abcd").seek(at)


def test_words_are_bounded_before_they_are_read() -> None:
    with pytest.raises(RemoteProtocolError, match="at most 3"):
        Cursor(b"").u32s(0xFFFFFFFF, limit=3)
    with pytest.raises(RemoteProtocolError, match="due"):
        Cursor(b"1234").u32s(2, limit=3)
    assert Cursor(b"\1\0\0\0\2\0\0\0").u32s(2, limit=3) == (1, 2)


def test_leftovers_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="4 bytes more"):
        Cursor(b"abcd").check_end()


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        Cursor(b"abcd").view(-1)


def test_views_copy_nothing() -> None:
    data = bytearray(b"abcd")
    view = Cursor(data).view(4)
    data[0] = ord("x")
    assert bytes(view) == b"xbcd"
