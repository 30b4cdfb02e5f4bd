"""A message that is whole never hides behind the end of another one in a TLS record."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.gateway.record_borders import RecordBorders
from frazil.gateway.streams import TunnelStream
from frazil.spice.framing import HeaderKind, encode


class Viewer:
    """Reads as spice-gtk does: message after message, and on without waiting only while records are in its socket."""

    def __init__(self, kind: HeaderKind) -> None:
        self._kind = kind
        self._socket: list[bytes] = []
        self._opened = b""
        self.read = 0

    def take(self, *records: bytes) -> None:
        self._socket += records
        while self._socket:
            while self._socket and not self.whole:
                self._opened += self._socket.pop(0)
            if size := self.whole:
                self._opened = self._opened[size:]
                self.read += 1

    @property
    def whole(self) -> int:
        """The size of a message that lies whole in a record that was opened; 0 for none."""
        head = self._opened[: self._kind.value]
        if len(head) < self._kind.value:
            return 0
        size_at = 2 if self._kind is HeaderKind.MINI else 10
        size = len(head) + int.from_bytes(head[size_at : size_at + 4], "little")
        return size if len(self._opened) >= size else 0


@given(
    st.sampled_from(list(HeaderKind)),
    st.lists(st.integers(0, 40), max_size=12),
    st.lists(st.integers(1, 90), max_size=12),
    st.booleans(),
)
def test_whatever_has_come_is_read(kind: HeaderKind, bodies: list[int], cuts: list[int], together: bool) -> None:
    stream = b"".join(encode(kind, 1, bytes(size)) for size in bodies)
    borders, viewer = RecordBorders(kind), Viewer(kind)
    while stream:
        size = cuts.pop() if cuts else len(stream)
        piece, stream = stream[:size], stream[size:]
        border = borders.border(piece)
        records = [record for record in (piece[:border], piece[border:]) if record]
        for taken in [records] if together else [[record] for record in records]:
            viewer.take(*taken)
        assert not viewer.whole
    assert viewer.read == len(bodies)


def test_without_borders_a_message_stays_unread() -> None:
    """What this is about; if it passes with everything in one record, the model of the viewer is wrong."""
    viewer = Viewer(HeaderKind.MINI)
    viewer.take(encode(HeaderKind.MINI, 1, b"") * 3)
    assert viewer.read == 1


@pytest.mark.parametrize("kind", list(HeaderKind))
def test_the_last_whole_message_begins_the_record(kind: HeaderKind) -> None:
    one, two, three = (encode(kind, 1, bytes(size)) for size in (100, 0, 7))
    assert RecordBorders(kind).border(one) == 0
    assert RecordBorders(kind).border(one + two + three) == len(one + two)
    assert RecordBorders(kind).border(one + two + three[:-1]) == len(one)
    assert RecordBorders(kind).border(one[:50]) == 0
    borders = RecordBorders(kind)
    assert borders.border(one + two[:3]) == 0
    assert borders.border(two[3:]) == 0
    assert borders.border(three + one[:-1]) == 0
    assert borders.border(one[-1:] + three) == 1


class Record(asyncio.Transport):
    """Keeps what is written, each time by itself, as TLS does."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


async def test_a_tunnel_writes_its_records_so() -> None:
    loop = asyncio.get_running_loop()
    reader, transport = asyncio.StreamReader(), Record()
    writer = asyncio.StreamWriter(transport, asyncio.StreamReaderProtocol(reader), reader, loop)
    stream = TunnelStream(reader, writer, read_max_bytes=1 << 16)
    one, two = encode(HeaderKind.MINI, 1, b"abc"), encode(HeaderKind.MINI, 2, b"")
    stream.send(b"the link's own")
    stream.begin_messages(HeaderKind.MINI)
    stream.send(one + two + two)
    stream.send(memoryview(one))
    assert transport.written == [b"the link's own", one + two, two, one]
