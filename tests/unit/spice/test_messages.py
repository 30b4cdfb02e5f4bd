"""Every declared message comes back from its bytes; what is cut off or too large is the peer's fault."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice import fields
from frazil.spice.agent_clipboard import ClipboardData, ClipboardGrab, ClipboardRelease, ClipboardRequest
from frazil.spice.agent_messages import AGENT, AgentHeader, Monitor, MonitorsConfig, MonitorSize
from frazil.spice.base_messages import BaseServer, ChannelWait, SetAck, WaitForChannels
from frazil.spice.cursor_channel import CURSOR_FROM_SERVER, CursorServer
from frazil.spice.dependent_fields import (
    ArrayAtOffsetCountedBy,
    Choice,
    Dependent,
    Flagged,
    Nothing,
    OctetsSizedBy,
)
from frazil.spice.display_channel import DISPLAY_FROM_CLIENT, DISPLAY_FROM_SERVER, DisplayServer
from frazil.spice.draw_records import GlyphRun
from frazil.spice.fields import I16, I64
from frazil.spice.inputs_channel import INPUTS_FROM_CLIENT, INPUTS_FROM_SERVER, InputsClient, MousePosition
from frazil.spice.main_channel import (
    MAIN_FROM_CLIENT,
    MAIN_FROM_SERVER,
    ChannelId,
    ChannelsList,
    MainInit,
    MainServer,
    MigrateBegin,
    MigrateBeginSeamless,
)
from frazil.spice.port_channel import PORT_FROM_CLIENT, PORT_FROM_SERVER, PortInit
from frazil.spice.records import RecordKind, decode, encode, kind_of, record
from frazil.spice.sound_channels import PLAYBACK_FROM_SERVER, RECORD_FROM_CLIENT, RECORD_FROM_SERVER, PlaybackStart
from frazil.spice.tables import MessageTable

TABLES = {
    "main from server": MAIN_FROM_SERVER,
    "main from client": MAIN_FROM_CLIENT,
    "inputs from server": INPUTS_FROM_SERVER,
    "inputs from client": INPUTS_FROM_CLIENT,
    "port from server": PORT_FROM_SERVER,
    "port from client": PORT_FROM_CLIENT,
    "playback from server": PLAYBACK_FROM_SERVER,
    "record from server": RECORD_FROM_SERVER,
    "record from client": RECORD_FROM_CLIENT,
    "display from server": DISPLAY_FROM_SERVER,
    "display from client": DISPLAY_FROM_CLIENT,
    "cursor from server": CURSOR_FROM_SERVER,
    "agent": AGENT,
}
U32 = st.integers(0, 0xFFFFFFFF)
CLIPBOARD = (ClipboardData, ClipboardGrab, ClipboardRelease, ClipboardRequest, AgentHeader)


def all_records() -> list[type]:
    seen = {declared: None for table in TABLES.values() for declared in table.records.values()}
    return [*seen, *CLIPBOARD]


BITS = {"B": 8, "H": 16, "I": 32, "Q": 64, "h": -16, "i": -32, "q": -64}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """What a field of this kind can hold."""
    match kind:
        case fields.Truth():
            return st.booleans()
        case fields.Number(code=code) if BITS[code] > 0:
            return st.integers(0, 2 ** BITS[code] - 1)
        case fields.Number(code=code):
            return st.integers(-(2 ** (-BITS[code] - 1)), 2 ** (-BITS[code] - 1) - 1)
        case fields.Octets(least_bytes=size):
            return st.binary(min_size=size, max_size=size)
        case fields.OctetsToEnd() | fields.CountedOctets() | fields.OctetsAtOffset():
            return st.binary(max_size=40)
        case Nothing():
            return st.none()
        case fields.FixedArray(_count=count):
            return st.lists(values(kind._item), min_size=count, max_size=count).map(tuple)
        case fields.CountedArray() | fields.ArrayToEnd() | fields.ArrayCountedBy():
            return st.lists(values(kind._item), max_size=6).map(tuple)
        case fields.DueAtOffset():
            return values(kind._inner)
        case fields.AtOffset():
            return st.none() | values(kind._inner)
        case RecordKind():
            return records(kind)
    raise AssertionError(f"No values are known for {kind!r}.")


def choosing(kind: RecordKind, name: str) -> st.SearchStrategy[Any] | None:
    """What a field can hold on which others depend, where that is not everything."""
    for dependent in kind.kinds.values():
        match dependent:
            case Choice() if name in dependent.fields:
                return st.sampled_from(sorted(dependent.cases))
            case GlyphRun() if name == "flags":
                return st.sampled_from([depth | top_down for depth in GlyphRun.KINDS for top_down in (0, 8)])
            case fields.ArrayCountedBy() if name == dependent.field:
                return SMALL
            case OctetsSizedBy() | GlyphRun() | ArrayAtOffsetCountedBy() if name in dependent.fields:
                return SMALL
            case Flagged() if name in COUNTS:
                return SMALL
    return None


SMALL = st.integers(0, 6)
COUNTS = ("style_count",)
"""Counts of what is there only with a flag."""


@st.composite
def records(draw: st.DrawFn, kind: RecordKind) -> Any:
    """A record whose fields agree with each other."""
    chosen: dict[str, Any] = {}
    for name, field in kind.kinds.items():
        due = field
        while isinstance(due, Dependent):
            due = due.within(chosen)
        within_choice = choosing(kind, name) if isinstance(due, fields.Number) else None
        chosen[name] = draw(values(due) if within_choice is None else within_choice)
        if isinstance(field, fields.ArrayCountedBy):
            items = st.lists(values(field._item), min_size=chosen[field.field], max_size=chosen[field.field])
            chosen[name] = tuple(draw(items))
    return kind._class(**chosen)


@pytest.mark.parametrize("declared", all_records(), ids=lambda declared: declared.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_message_comes_back(declared: type, data: st.DataObject) -> None:
    value = data.draw(records(kind_of(declared)))
    body = encode(value)
    assert decode(declared, body) == value
    assert len(body) >= kind_of(declared).least_bytes


@pytest.mark.parametrize("declared", all_records(), ids=lambda declared: declared.__name__)
@settings(max_examples=20)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_a_message_or_the_peers_fault(declared: type, body: bytes) -> None:
    try:
        decode(declared, body)
    except RemoteProtocolError:
        return


@pytest.mark.parametrize("declared", [r for r in all_records() if kind_of(r).least_bytes], ids=lambda r: r.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_a_message_that_is_cut_off_is_refused(declared: type, data: st.DataObject) -> None:
    body = encode(data.draw(records(kind_of(declared))))
    short = body[: data.draw(st.integers(0, kind_of(declared).least_bytes - 1))]
    with pytest.raises(RemoteProtocolError):
        decode(declared, short)


def numbers() -> Iterator[tuple[MessageTable, int, type]]:
    for table in TABLES.values():
        for number, declared in table.records.items():
            yield table, number, declared


def test_tables_know_their_numbers_and_names() -> None:
    assert all(table.records[number] is declared for table, number, declared in numbers())  # type: ignore[index]
    assert MAIN_FROM_SERVER.decode(3, encode(SetAck(generation=1, window=20))) == SetAck(generation=1, window=20)
    assert MAIN_FROM_SERVER.name(BaseServer.SET_ACK) == "set-ack"
    assert INPUTS_FROM_CLIENT.name(InputsClient.MOUSE_POSITION) == "mouse-position"
    assert MAIN_FROM_SERVER.name(999) == "message-999"
    with pytest.raises(RemoteProtocolError, match="999"):
        MAIN_FROM_SERVER.decode(999, b"")


# Written out by hand from the layouts in spice-common's spice.proto and spice-protocol's headers.
BY_HAND = [
    (SetAck(generation=1, window=20), "01000000 14000000"),
    (
        WaitForChannels(waits=(ChannelWait(channel_type=2, channel_id=0, message_serial=7),)),
        "01 02 00 0700000000000000",
    ),
    (ChannelsList(channels=(ChannelId(type=2, id=0), ChannelId(type=3, id=1))), "02000000 0200 0301"),
    (MousePosition(x=1, y=2, buttons=1, display_id=3), "01000000 02000000 0100 03"),
    (PlaybackStart(channels=2, format=1, frequency_hz=48000, time_ms=9), "02000000 0100 80bb0000 09000000"),
    # The name stands behind the last field, at 9.
    (PortInit(name=b"abc\0", opened=True), "04000000 09000000 01 61626300"),
    # Twenty bytes a monitor, height first, then four of its size.
    (
        MonitorsConfig(
            count=1,
            flags=2,
            monitors=(Monitor(height=768, width=1024, depth=32, x=-1, y=0),),
            sizes=(MonitorSize(height_mm=200, width_mm=300),),
        ),
        "01000000 02000000 00030000 00040000 20000000 ffffffff 00000000 c800 2c01",
    ),
    # Offsets count from the beginning of the message, behind the version that follows the nested record.
    (
        MigrateBeginSeamless(
            destination=MigrateBegin(port=0, tls_port=443, host=b"gw\0", cert_subject=b"CN=gw\0"), source_version=1
        ),
        "0000 bb01 03000000 18000000 06000000 1b000000 01000000 677700 434e3d677700",
    ),
]


@pytest.mark.parametrize(("value", "wire"), BY_HAND, ids=lambda v: type(v).__name__ if not isinstance(v, str) else "")
def test_layouts_are_those_of_the_headers(value: object, wire: str) -> None:
    assert encode(value) == bytes.fromhex(wire)
    assert decode(type(value), bytes.fromhex(wire)) == value


def test_what_a_newer_server_adds_is_not_looked_at() -> None:
    init = MainInit(
        session_id=1,
        display_channels_hint=1,
        supported_mouse_modes=3,
        current_mouse_mode=1,
        agent_connected=True,
        agent_tokens=10,
        multi_media_time_ms=0,
        ram_hint=0,
    )
    assert decode(MainInit, encode(init) + b"more") == init


def test_giant_counts_are_refused_before_anything_is_made_of_them() -> None:
    with pytest.raises(RemoteProtocolError, match="fewer"):
        decode(ChannelsList, b"\xff\xff\xff\xff\2\0")
    with pytest.raises(RemoteProtocolError):
        decode(PortInit, bytes.fromhex("ffffffff 09000000 01 61"))
    with pytest.raises(RemoteProtocolError, match="outside"):
        decode(PortInit, bytes.fromhex("01000000 ffffffff 01 61"))


def test_bodies_are_not_copied() -> None:
    body = bytearray(encode(PortInit(name=b"abc\0", opened=True)))
    name = decode(PortInit, body).name
    body[9] = ord("x")
    assert bytes(name) == b"xbc\0"


def test_what_does_not_fit_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="window=4294967296"):
        encode(SetAck(generation=1, window=1 << 32))
    with pytest.raises(LocalProtocolError, match="count"):
        encode(MonitorsConfig(count=2, flags=0, monitors=()))
    with pytest.raises(LocalProtocolError, match="MigrateBegin"):
        encode(MigrateBeginSeamless(destination=SetAck(generation=0, window=0), source_version=1))  # type: ignore[arg-type]


@record
class Pointing:
    """What display messages will need: offsets to records, which may point on."""

    before: I16
    next: Annotated[SetAck | None, fields.AtOffset(kind_of(SetAck))]
    name: Annotated[PortInit | None, fields.AtOffset(kind_of(PortInit))]
    after: I64


@given(st.builds(SetAck, generation=U32, window=U32), st.binary(max_size=9), st.booleans(), st.booleans())
def test_offsets_lead_to_records(ack: SetAck, name: bytes, has_ack: bool, has_name: bool) -> None:
    value = Pointing(
        before=-2,
        next=ack if has_ack else None,
        name=PortInit(name=name, opened=True) if has_name else None,
        after=-3,
    )
    assert decode(Pointing, encode(value)) == value


def test_numbers_are_those_of_the_headers() -> None:
    assert (MainServer.AGENT_CONNECTED_TOKENS, MainServer.MIGRATE_DST_SEAMLESS_NACK) == (115, 118)
    assert (DisplayServer.INVAL_ALL_PALETTES, DisplayServer.STREAM_DESTROY_ALL) == (108, 126)
    assert (DisplayServer.DRAW_ALPHA_BLEND, DisplayServer.DRAW_COMPOSITE, DisplayServer.GL_DRAW) == (313, 318, 321)
    assert (CursorServer.INVAL_ONE, CursorServer.INVAL_ALL) == (107, 108)
