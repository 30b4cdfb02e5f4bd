"""The main channel's lists and places, sound, sizes; and that bytes are cut and joined right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frazil.gateway.filtering import LinkFilter, refuses_channel, without_compression
from frazil.gateway.filtering.line_probe import OUR_ID
from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import Policy
from frazil.spice.agent_messages import AgentType
from frazil.spice.agent_stream import split
from frazil.spice.base_messages import BaseClient, BaseServer, Ping, Pong, SetAck
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayClient
from frazil.spice.framing import HeaderKind, MessageParser
from frazil.spice.framing import encode as frame
from frazil.spice.inputs_channel import InputsClient
from frazil.spice.main_channel import (
    ChannelId,
    ChannelsList,
    MainClient,
    MainInit,
    MainServer,
    MigrateBegin,
    MigrateBeginSeamless,
    SwitchHost,
)
from frazil.spice.port_channel import StreamMessage
from frazil.spice.records import decode, encode
from frazil.spice.sound_channels import PlaybackServer, PlaybackStart, RecordClient, RecordServer, RecordStart
from frazil.spice.sub_lists import fold
from tests.unit.gateway.filtering.peers import INIT, HandClock, Line

NOTHING = Policy(sound=False, microphone=False, usb=False, folders=False)
KINDS = (
    ChannelType.DISPLAY,
    ChannelType.INPUTS,
    ChannelType.PLAYBACK,
    ChannelType.RECORD,
    ChannelType.USBREDIR,
    ChannelType.PORT,
    ChannelType.WEBDAV,
)


def link_filter(channel: ChannelType, policy: Policy | None = None, kind: HeaderKind = HeaderKind.MINI) -> LinkFilter:
    return LinkFilter(channel=channel, kind=kind, policy=policy or Policy(), clock=HandClock())


def joined(parts: object) -> bytes:
    return b"".join(bytes(part) for part in parts)  # type: ignore[attr-defined]


def exhaust(step: Callable[[], object], times: int) -> None:
    for _ in range(times):
        step()


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (Policy(), KINDS),
        (NOTHING, (ChannelType.DISPLAY, ChannelType.INPUTS, ChannelType.PORT)),
        (Policy(folders=False), KINDS[:-1]),
    ],
)
@pytest.mark.parametrize("kind", list(HeaderKind))
def test_channels_that_are_refused_are_not_listed(
    policy: Policy, left: tuple[ChannelType, ...], kind: HeaderKind
) -> None:
    line = Line(policy, kind=kind)
    listed = ChannelsList(channels=tuple(ChannelId(type=channel, id=0) for channel in KINDS))
    line.from_server(MainServer.CHANNELS_LIST, encode(listed))
    ((_, body),) = line.client
    assert tuple(c.type for c in decode(ChannelsList, body).channels) == left
    assert tuple(c for c in KINDS if not refuses_channel(policy, c)) == left


def test_a_list_inside_another_message_is_cut_too() -> None:
    line = Line(NOTHING, kind=HeaderKind.FULL)
    line.set_ack(3)
    listed = encode(ChannelsList(channels=(ChannelId(type=ChannelType.USBREDIR, id=0),)))
    for _ in range(50):
        whole = b"\0\0\0\0" + fold([(MainServer.CHANNELS_LIST, listed), (MainServer.MULTI_MEDIA_TIME, bytes(4))], at=4)
        line._unacknowledged += 1
        assert not line.stalled
        line.raw_from_server(frame(HeaderKind.FULL, MainServer.MULTI_MEDIA_TIME, whole, sub_list=4))
        line.from_server(BaseServer.LIST, fold([]))
    seen = [(n, b) for n, b in line.client if n == MainServer.CHANNELS_LIST]
    assert seen == [(MainServer.CHANNELS_LIST, encode(ChannelsList(channels=())))] * 50
    assert len(line.client) == 150


@pytest.mark.parametrize(
    ("channel", "number"),
    [
        (ChannelType.MAIN, MainServer.AGENT_DATA),
        (ChannelType.PLAYBACK, PlaybackServer.DATA),
        (ChannelType.USBREDIR, StreamMessage.DATA),
    ],
)
@pytest.mark.parametrize("kind", list(HeaderKind))
def test_what_is_forbidden_passes_in_no_list_of_lists(channel: ChannelType, number: int, kind: HeaderKind) -> None:
    """A viewer unfolds whatever list it is given."""
    secret = fold([(number, b"secret")])
    nested = frame(kind, BaseServer.LIST, fold([(BaseServer.LIST, secret)]))
    with pytest.raises(RemoteProtocolError, match="another list"):
        link_filter(channel, NOTHING, kind).from_server(nested)
    if kind is HeaderKind.FULL:
        hung_on = b"body" + fold([(BaseServer.LIST, secret)], at=4)
        with pytest.raises(RemoteProtocolError, match="another list"):
            link_filter(channel, NOTHING, kind).from_server(frame(kind, 300, hung_on, sub_list=4))


def test_the_connection_id_is_learnt_and_a_token_kept_back() -> None:
    line = Line()
    line.from_server(MainServer.INIT, encode(INIT))
    assert line.filter.main is not None
    assert line.filter.main.session_id == 77
    init = decode(MainInit, line.client[0][1])
    assert (init.session_id, init.agent_tokens) == (77, 9)


def test_a_client_is_sent_to_the_gateway_wherever_the_desktop_goes() -> None:
    inside = MigrateBegin(port=5900, tls_port=5901, host=b"host-3.inside\0", cert_subject=b"CN=host-3\0")
    line = Line()
    line.from_server(MainServer.MIGRATE_BEGIN, encode(inside))
    line.from_server(
        MainServer.MIGRATE_BEGIN_SEAMLESS, encode(MigrateBeginSeamless(destination=inside, source_version=2))
    )
    switch = SwitchHost(port=5900, tls_port=5901, host=b"host-3.inside\0", cert_subject=b"")
    line.from_server(MainServer.MIGRATE_SWITCH_HOST, encode(switch))
    outside = MigrateBegin(port=0, tls_port=443, host=b"desk.example\0", cert_subject=b"CN=desk.example\0")
    first, second, third = (body for _, body in line.client)
    assert decode(MigrateBegin, first) == outside
    assert decode(MigrateBeginSeamless, second) == MigrateBeginSeamless(destination=outside, source_version=2)
    assert (bytes(decode(SwitchHost, third).host), decode(SwitchHost, third).tls_port) == (b"desk.example\0", 443)
    unnamed = link_filter(ChannelType.MAIN)
    assert list(unnamed.from_server(frame(HeaderKind.MINI, MainServer.MIGRATE_BEGIN, encode(inside))).to_client) == []


class TestLine:
    """The gateway's own pings."""

    def test_the_round_trip_is_measured_and_the_pongs_go_no_further(self) -> None:
        line = Line()
        line.pongs = False
        line.from_server(MainServer.INIT, encode(INIT))
        pings = [decode(Ping, body) for number, body in line.client if number == BaseServer.PING]
        assert [len(p.data) for p in pings] == [0, 0]
        assert all(p.id & OUR_ID for p in pings)
        for ping in pings:
            line.clock.at_s = 100 + 0.05
            line.from_client(BaseClient.PONG, encode(Pong(id=ping.id, timestamp=0)))
        assert line.server == []
        probe = line.filter.main.probe if line.filter.main else None
        assert probe is not None
        assert probe.latency_s == pytest.approx(0.05)
        assert probe.rate_bits_per_s is None

    def test_the_rate_is_read_off_the_servers_own_measurement(self) -> None:
        line = Line()
        line.from_server(MainServer.INIT, encode(INIT))
        probe = line.filter.main.probe if line.filter.main else None
        assert probe is not None
        probe.latency_s = 0.05
        body = encode(Ping(id=3, timestamp=9, data=bytes(250 << 10)))
        for number, data in ((2, b""), (3, bytes(250 << 10))):
            line.pongs = False
            line.from_server(BaseServer.PING, encode(Ping(id=number, timestamp=9, data=data)))
        for number, at_s in ((2, 0.05), (3, 0.25)):
            line.clock.at_s = 100 + at_s
            line.from_client(BaseClient.PONG, encode(Pong(id=number, timestamp=9)))
        assert [decode(Pong, said).id for _, said in line.server[-2:]] == [2, 3], "the server measures by them"
        assert probe.rate_bits_per_s == pytest.approx(8 * len(body) / 0.2)

    def test_the_servers_own_pings_are_answered_to_it(self) -> None:
        line = Line()
        line.start()
        line.from_server(BaseServer.PING, encode(Ping(id=1, timestamp=9, data=b"")))
        line.from_client(BaseClient.PONG, encode(Pong(id=OUR_ID + 99, timestamp=9)))
        assert line.server == [
            (BaseClient.PONG, encode(Pong(id=1, timestamp=9))),
            (BaseClient.PONG, encode(Pong(id=OUR_ID + 99, timestamp=9))),
        ]

    def test_it_is_measured_again_and_a_client_that_never_answers_costs_nothing(self) -> None:
        line = Line()
        line.pongs = False
        line.measure()
        assert line.client == []
        line.start()
        for _ in range(100):
            line.clock.at_s += 31
            line.measure()
        assert len([n for n, _ in line.client if n == BaseServer.PING]) == 8

    def test_pings_of_ours_do_not_disturb_the_ack_window(self) -> None:
        line = Line()
        line.set_ack(2)
        line.start()
        for _ in range(500):
            line.from_server(MainServer.MULTI_MEDIA_TIME, bytes(4))
            line.from_server(MainServer.AGENT_DISCONNECTED, bytes(4))
            line.measure()
        assert len([n for n, _ in line.client if n == BaseServer.PING]) == 502


START = encode(PlaybackStart(channels=2, format=1, frequency_hz=48000, time_ms=0))


class TestSound:
    """Playback and record."""

    def test_sound_stops_and_goes_on_with_the_policy(self) -> None:
        line = Line(channel=ChannelType.PLAYBACK)
        line.set_ack(5)
        line.from_server(PlaybackServer.START, START)
        line.from_server(PlaybackServer.DATA, b"1234one")
        line.change(Policy(sound=False))
        for _ in range(1000):
            line.from_server(PlaybackServer.DATA, b"1234secret")
        line.from_server(PlaybackServer.VOLUME, b"\1\0\0")
        line.change(Policy())
        line.from_server(PlaybackServer.DATA, b"1234two")
        assert line.client == [
            (PlaybackServer.START, START),
            (PlaybackServer.DATA, b"1234one"),
            (PlaybackServer.STOP, b""),
            (PlaybackServer.VOLUME, b"\1\0\0"),
            (PlaybackServer.START, START),
            (PlaybackServer.DATA, b"1234two"),
        ]

    def test_what_was_never_started_is_not_stopped(self) -> None:
        line = Line(channel=ChannelType.PLAYBACK)
        line.change(Policy(sound=False))
        line.from_server(PlaybackServer.START, START)
        line.from_server(PlaybackServer.STOP)
        line.change(Policy())
        assert line.client == []

    def test_a_forbidden_microphone_is_not_even_switched_on(self) -> None:
        line = Line(Policy(microphone=False), channel=ChannelType.RECORD)
        start = encode(RecordStart(channels=1, format=1, frequency_hz=48000))
        line.from_server(RecordServer.START, start)
        for number in RecordClient:
            line.from_client(number, b"1234secret")
        assert (line.client, line.server) == ([], [])
        line.change(Policy())
        line.from_client(RecordClient.DATA, b"1234hello")
        assert line.client == [(RecordServer.START, start)]
        assert line.server == [(RecordClient.DATA, b"1234hello")]
        line.change(Policy(microphone=False))
        assert line.client[1:] == [(RecordServer.STOP, b"")]


@pytest.mark.parametrize("channel", [ChannelType.DISPLAY, ChannelType.CURSOR, ChannelType.INPUTS, ChannelType.WEBDAV])
def test_where_nothing_is_enforced_the_servers_bytes_are_not_touched(channel: ChannelType) -> None:
    data = b"not even a message, and cut anywhere"
    output = link_filter(channel).from_server(data)
    assert output.to_client[0] is data
    assert list(output.to_server) == []


def test_shared_folders_that_are_forbidden_end() -> None:
    webdav = link_filter(ChannelType.WEBDAV)
    webdav.change(Policy(sound=False))
    assert not webdav.forbidden
    webdav.change(Policy(folders=False))
    assert webdav.forbidden
    display = link_filter(ChannelType.DISPLAY)
    display.change(NOTHING)
    assert not display.forbidden


def test_usb_is_never_compressed() -> None:
    assert without_compression(ChannelType.USBREDIR, (3,)) == (2,)
    assert without_compression(ChannelType.WEBDAV, (3,)) == (3,)


@pytest.mark.parametrize(
    ("channel", "size", "passes"),
    [
        (ChannelType.INPUTS, 4096, True),
        (ChannelType.INPUTS, 4097, False),
        (ChannelType.DISPLAY, 16 << 20, True),
        (ChannelType.DISPLAY, (16 << 20) + 1, False),
        (ChannelType.MAIN, (16 << 20) + 1, False),
    ],
)
def test_sizes_of_a_clients_messages_are_bounded(channel: ChannelType, size: int, passes: bool) -> None:
    header = (102).to_bytes(2, "little") + size.to_bytes(4, "little")
    subject = link_filter(channel)
    if passes:
        assert joined(subject.from_client(header).to_server) == header
    else:
        with pytest.raises(RemoteProtocolError, match=str(size)):
            subject.from_client(header)


@pytest.mark.parametrize(
    ("channel", "number"),
    [
        (ChannelType.MAIN, MainClient.MIGRATE_DST_DO_SEAMLESS),
        (ChannelType.DISPLAY, DisplayClient.INIT),
        *((channel, BaseClient.MIGRATE_FLUSH_MARK) for channel in ChannelType),
        *((channel, BaseClient.MIGRATE_DATA) for channel in ChannelType),
    ],
)
def test_what_would_end_the_server_ends_the_link(channel: ChannelType, number: int) -> None:
    with pytest.raises(RemoteProtocolError, match=rf"message {number:d} where it has no place"):
        link_filter(channel).from_client(frame(HeaderKind.MINI, number, b""))


@pytest.mark.parametrize("number", [BaseServer.SET_ACK, MainServer.CHANNELS_LIST, MainServer.AGENT_DATA])
def test_what_is_looked_into_is_small(number: int) -> None:
    header = int(number).to_bytes(2, "little") + (65537).to_bytes(4, "little")
    with pytest.raises(RemoteProtocolError, match="65537"):
        link_filter(ChannelType.MAIN).from_server(header)


def test_a_large_body_passes_without_being_kept() -> None:
    subject = link_filter(ChannelType.MAIN)
    header = (102).to_bytes(2, "little") + (16 << 20).to_bytes(4, "little")
    subject.from_client(header)
    chunk = bytes(1 << 16)
    for _ in range(256):
        (part,) = subject.from_client(chunk).to_server
        assert isinstance(part, memoryview)
        assert part.obj is chunk


def test_ours_wait_for_the_end_of_a_body_and_not_for_ever() -> None:
    """A client in the middle of a message, while the server gives reasons to say something to it."""
    subject = link_filter(ChannelType.MAIN, Policy(clipboard_from_desktop=False))
    subject.from_server(frame(HeaderKind.MINI, BaseServer.SET_ACK, encode(SetAck(generation=1, window=1))))
    subject.from_client(frame(HeaderKind.MINI, BaseClient.ACK_SYNC, (1).to_bytes(4, "little")))
    subject.from_client((102).to_bytes(2, "little") + (9).to_bytes(4, "little") + b"1234")
    dropped = frame(HeaderKind.MINI, MainServer.AGENT_DATA, split(AgentType.CLIPBOARD_GRAB, b"\1\0\0\0")[0])
    assert list(subject.from_server(dropped).to_server) == []
    rest = joined(subject.from_client(b"56789").to_server)
    assert rest == b"56789" + frame(HeaderKind.MINI, BaseClient.ACK, b"")
    subject.from_client((102).to_bytes(2, "little") + (9).to_bytes(4, "little") + b"1234")
    many = dropped * 1000
    with pytest.raises(RemoteProtocolError, match="held back"):
        exhaust(lambda: subject.from_server(many), 200)


@settings(max_examples=60)
@given(
    st.sampled_from(HeaderKind),
    st.lists(st.tuples(st.sampled_from([1, 2, 4, 6, 105, 106, 113, 300]), st.binary(max_size=60)), max_size=12),
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
)
def test_any_cutting_gives_the_same_bytes(kind: HeaderKind, messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    listed = encode(ChannelsList(channels=(ChannelId(type=2, id=0),)))
    stream = b"".join(frame(kind, n, body, serial=1) for n, body in [*messages, (104, listed), *messages])
    subject = link_filter(ChannelType.MAIN, kind=kind)
    out, at, turn = b"", 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        out += joined(subject.from_server(stream[at : at + step]).to_client)
        at, turn = at + step, turn + 1
    assert out == stream
    assert len(list(MessageParser(kind).feed(out))) == 2 * len(messages) + 1


@pytest.mark.parametrize("kind", list(HeaderKind))
def test_only_keyboard_and_mouse_count_as_input(kind: HeaderKind) -> None:
    inputs = link_filter(ChannelType.INPUTS, kind=kind)
    assert not inputs.took_input()
    for number in (BaseClient.ACK, BaseClient.PONG):
        inputs.from_client(frame(kind, number, b"", serial=1))
        assert not inputs.took_input(), number
    for message in (InputsClient.KEY_DOWN, InputsClient.MOUSE_POSITION, InputsClient.MOUSE_RELEASE):
        inputs.from_client(frame(kind, message, b"\0" * 4, serial=1))
        assert inputs.took_input(), message
        assert not inputs.took_input(), "it is told once"
    display = link_filter(ChannelType.DISPLAY, kind=kind)
    display.from_client(frame(kind, DisplayClient.INIT + 2, b"\1", serial=1))
    assert not display.took_input()
