"""The policy in what client and guest agent say to each other."""

from __future__ import annotations

import pytest

from frazil.model.errors import RemoteProtocolError
from frazil.model.policy import ClipboardType, Policy
from frazil.spice.agent_clipboard import (
    ClipboardData,
    ClipboardFormat,
    ClipboardGrab,
    ClipboardLayout,
    ClipboardRelease,
    ClipboardRequest,
)
from frazil.spice.agent_messages import (
    AgentCap,
    AgentType,
    AnnounceCapabilities,
    FileXferData,
    FileXferResult,
    FileXferStart,
    FileXferStatus,
    MaxClipboard,
    Monitor,
    MonitorsConfig,
)
from frazil.spice.agent_stream import split
from frazil.spice.capabilities import has, without, words_of
from frazil.spice.framing import HeaderKind
from frazil.spice.framing import encode as frame
from frazil.spice.main_channel import AgentDisconnected, AgentTokens, MainClient, MainServer
from frazil.spice.records import decode, encode
from tests.unit.gateway.filtering.peers import ALL_CAPS, Line

TEXT, PNG, FILES, NONE = (
    int(f)
    for f in (ClipboardFormat.UTF8_TEXT, ClipboardFormat.IMAGE_PNG, ClipboardFormat.FILE_LIST, ClipboardFormat.NONE)
)
WITHOUT_SERIAL = ClipboardLayout(selection=True)
FULL = ClipboardLayout(selection=True, serial=True)
NOTHING = (AgentType.CLIPBOARD, WITHOUT_SERIAL.encode(ClipboardData(type=NONE, data=b"")))
NO_CLIPBOARD = Policy(clipboard_to_desktop=False, clipboard_from_desktop=False)
TEXT_ONLY = Policy(clipboard_types=frozenset({ClipboardType.TEXT}), folders=False)


def started(policy: Policy | None = None, **how: object) -> Line:
    line = Line(policy, **how)  # type: ignore[arg-type]
    line.start()
    line.to_client.clear()
    line.to_guest.clear()
    return line


def grab(*types: int, layout: ClipboardLayout = WITHOUT_SERIAL) -> bytes:
    return layout.encode(ClipboardGrab(types=types))


def request(kind: int) -> bytes:
    return WITHOUT_SERIAL.encode(ClipboardRequest(type=kind))


def data(kind: int, content: bytes) -> bytes:
    return WITHOUT_SERIAL.encode(ClipboardData(type=kind, data=content))


RELEASE = WITHOUT_SERIAL.encode(ClipboardRelease())


@pytest.mark.parametrize("kind", list(HeaderKind))
def test_without_restrictions_everything_passes_as_it_is(kind: HeaderKind) -> None:
    line = started(kind=kind)
    monitors = MonitorsConfig(count=1, flags=0, monitors=(Monitor(height=1, width=1, depth=32, x=0, y=0),))
    said = [
        (AgentType.MONITORS_CONFIG, encode(monitors)),
        (AgentType.CLIPBOARD_GRAB, grab(TEXT, PNG, FILES, layout=FULL)),
        (AgentType.CLIPBOARD, data(TEXT, b"x" * 30_000)),
        (AgentType.CLIPBOARD_RELEASE, RELEASE),
    ]
    for message in said:
        line.client_says(*message)
    assert line.to_guest == said
    back = [(AgentType.CLIPBOARD_GRAB, grab(TEXT, layout=FULL)), (AgentType.CLIPBOARD_REQUEST, request(TEXT))]
    for message in back:
        line.guest_says(*message)
    assert line.to_client == back


@pytest.mark.parametrize(
    ("policy", "gone", "come"),
    [
        (Policy(), set(), set()),
        (Policy(files_to_desktop=False), {AgentCap.CLIPBOARD_GRAB_SERIAL}, {AgentCap.FILE_XFER_DISABLED}),
        (TEXT_ONLY, {AgentCap.CLIPBOARD_GRAB_SERIAL}, set()),
        (
            Policy(clipboard_to_desktop=False, clipboard_from_desktop=False, folders=False),
            {
                AgentCap.CLIPBOARD,
                AgentCap.CLIPBOARD_BY_DEMAND,
                AgentCap.CLIPBOARD_SELECTION,
                AgentCap.MAX_CLIPBOARD,
                AgentCap.CLIPBOARD_NO_RELEASE_ON_REGRAB,
                AgentCap.CLIPBOARD_GRAB_SERIAL,
            },
            set(),
        ),
    ],
)
def test_capabilities_are_those_of_the_policy_for_both_sides(
    policy: Policy, gone: set[AgentCap], come: set[AgentCap]
) -> None:
    line = Line(policy)
    guest = without(ALL_CAPS, AgentCap.FILE_XFER_DISABLED)
    line.start(guest_caps=guest)
    ((_, heard_by_guest),) = line.to_guest
    ((_, heard_by_client),) = line.to_client
    assert decode(AnnounceCapabilities, heard_by_guest).request is True
    for body, caps in ((heard_by_guest, ALL_CAPS), (heard_by_client, guest)):
        heard = decode(AnnounceCapabilities, body).caps
        for cap in AgentCap:
            expected = has(caps, cap) and cap not in gone
            if cap in come and body is heard_by_client:
                expected = True
            assert has(heard, cap) is expected, cap


class TestCopyingOut:
    """From the desktop to the client's machine."""

    def test_a_forbidden_grab_is_not_heard_of_and_its_data_is_nothing(self) -> None:
        line = started(Policy(clipboard_from_desktop=False))
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(TEXT))
        assert line.to_client == []
        line.client_says(AgentType.CLIPBOARD_REQUEST, request(TEXT))
        assert (line.to_client, line.to_guest) == ([NOTHING], [])
        line.guest_says(AgentType.CLIPBOARD, data(TEXT, b"secret" * 1000))
        assert line.to_client == [NOTHING] * 2

    def test_the_other_direction_is_free(self) -> None:
        line = started(Policy(clipboard_from_desktop=False))
        line.client_says(AgentType.CLIPBOARD_GRAB, grab(TEXT))
        line.guest_says(AgentType.CLIPBOARD_REQUEST, request(TEXT))
        line.client_says(AgentType.CLIPBOARD, data(TEXT, b"hello"))
        assert line.to_client == [(AgentType.CLIPBOARD_REQUEST, request(TEXT))]
        assert line.to_guest == [
            (AgentType.CLIPBOARD_GRAB, grab(TEXT)),
            (AgentType.CLIPBOARD, data(TEXT, b"hello")),
        ]

    def test_lists_of_formats_are_trimmed(self) -> None:
        line = started(TEXT_ONLY)
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(PNG, TEXT, FILES, 99))
        assert line.to_client == [(AgentType.CLIPBOARD_GRAB, grab(TEXT))]
        # Now something that may not pass at all: what the client could have had is gone.
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(PNG))
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(PNG))
        assert line.to_client[1:] == [(AgentType.CLIPBOARD_RELEASE, RELEASE)]
        line.client_says(AgentType.CLIPBOARD_REQUEST, request(PNG))
        assert line.to_client[2:] == [NOTHING]

    def test_what_is_too_large_is_nothing(self) -> None:
        line = started(Policy(clipboard_max_kib=1))
        line.guest_says(AgentType.CLIPBOARD, data(TEXT, b"x" * 1024))
        line.guest_says(AgentType.CLIPBOARD, data(TEXT, b"x" * 1025))
        assert line.to_client == [(AgentType.CLIPBOARD, data(TEXT, b"x" * 1024)), NOTHING]

    def test_the_client_is_not_taken_at_its_word_for_the_most(self) -> None:
        line = started(Policy(clipboard_max_kib=1))
        for most in (-1, 10**6, 5):
            line.client_says(AgentType.MAX_CLIPBOARD, encode(MaxClipboard(max_bytes=most)))
        assert [decode(MaxClipboard, body).max_bytes for _, body in line.to_guest] == [1024, 1024, 5]


class TestCopyingIn:
    """From the client's machine to the desktop."""

    def test_a_forbidden_copy_is_nothing(self) -> None:
        line = started(Policy(clipboard_to_desktop=False))
        line.client_says(AgentType.CLIPBOARD_GRAB, grab(TEXT))
        line.client_says(AgentType.CLIPBOARD, data(TEXT, b"virus" * 1000))
        assert line.to_guest == [NOTHING]
        line.guest_says(AgentType.CLIPBOARD_REQUEST, request(TEXT))
        assert line.to_guest == [NOTHING] * 2
        assert line.to_client == []

    @pytest.mark.parametrize(
        ("policy", "into", "out_of"),
        [
            (Policy(clipboard_to_desktop=False, clipboard_from_desktop=False), True, True),
            (Policy(files_to_desktop=False), False, True),
            (Policy(folders=False), False, False),
        ],
    )
    def test_lists_of_files_follow_the_rules_of_files(self, policy: Policy, into: bool, out_of: bool) -> None:
        line = started(policy)
        line.client_says(AgentType.CLIPBOARD_GRAB, grab(FILES))
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(FILES))
        assert (bool(line.to_guest), bool(line.to_client)) == (into, out_of)


def file_start(transfer: int) -> tuple[int, bytes]:
    return AgentType.FILE_XFER_START, encode(
        FileXferStart(id=transfer, info=b"[vdagent-file-xfer]\nname=a\nsize=9\n\0")
    )


def file_data(transfer: int, content: bytes) -> tuple[int, bytes]:
    return AgentType.FILE_XFER_DATA, encode(FileXferData(id=transfer, size=len(content), data=content))


def status(transfer: int, result: int) -> tuple[int, bytes]:
    return AgentType.FILE_XFER_STATUS, encode(FileXferStatus(id=transfer, result=result, detail=b""))


class TestFiles:
    """Files that are dropped on the viewer."""

    def test_a_transfer_that_may_be_runs(self) -> None:
        line = started()
        line.client_says(*file_start(1))
        line.guest_says(*status(1, FileXferResult.CAN_SEND_DATA))
        line.client_says(*file_data(1, b"x" * 70_000))
        line.guest_says(*status(1, FileXferResult.SUCCESS))
        assert line.to_guest == [file_start(1), file_data(1, b"x" * 70_000)]
        assert line.to_client == [status(1, FileXferResult.CAN_SEND_DATA), status(1, FileXferResult.SUCCESS)]

    @pytest.mark.parametrize(
        ("caps", "result"),
        [
            (ALL_CAPS, FileXferResult.DISABLED),
            (without(ALL_CAPS, AgentCap.FILE_XFER_DETAILED_ERRORS), FileXferResult.ERROR),
        ],
    )
    def test_one_that_may_not_be_is_refused_in_words_that_the_client_knows(
        self, caps: tuple[int, ...], result: FileXferResult
    ) -> None:
        line = Line(Policy(files_to_desktop=False))
        line.start(client_caps=caps)
        line.to_client.clear()
        line.to_guest.clear()
        line.client_says(*file_start(5))
        line.client_says(*file_data(5, b"x" * 100_000))
        assert line.to_client == [status(5, result)]
        assert line.to_guest == []
        assert line.client_tokens == 9

    def test_one_that_runs_when_it_is_forbidden_ends_on_both_sides(self) -> None:
        line = started()
        line.client_says(*file_start(1))
        first, second, *rest = split(*file_data(1, b"x" * 5000))
        line.client_data(first)
        line.change(Policy(files_to_desktop=False))
        for piece in (second, *rest):
            line.client_data(piece)
        line.client_says(*file_data(1, b"y" * 5000))
        assert status(1, FileXferResult.DISABLED) in line.to_client
        kinds = [kind for kind, _ in line.to_guest]
        assert kinds.count(AgentType.FILE_XFER_DATA) == 1
        assert line.to_guest[-1] == status(1, FileXferResult.CANCELLED) or status(1, FileXferResult.CANCELLED) in (
            line.to_guest
        )
        (whole,) = [body for kind, body in line.to_guest if kind == AgentType.FILE_XFER_DATA]
        content = bytes(decode(FileXferData, whole).data)
        assert content == b"x" * (2048 - 32) + bytes(5000 - 2048 + 32)

    def test_there_is_a_most_of_them(self) -> None:
        line = started()
        for transfer in range(257):
            line.client_says(*file_start(transfer))
        assert len(line.to_guest) == 256
        assert line.to_client == [status(256, FileXferResult.DISABLED)]


class TestChanges:
    """A policy that changes in mid-session."""

    def test_what_could_be_had_is_taken_back_and_the_sides_hear_what_is_now(self) -> None:
        line = started()
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(TEXT, layout=FULL))
        line.client_says(AgentType.CLIPBOARD_GRAB, FULL.encode(ClipboardGrab(types=(TEXT,)), selection=1))
        line.to_client.clear()
        line.to_guest.clear()
        line.change(NO_CLIPBOARD)
        assert line.to_client[0] == (AgentType.CLIPBOARD_RELEASE, RELEASE)
        assert line.to_guest[0][0] == AgentType.CLIPBOARD_RELEASE
        for kind, body in (line.to_client[1], line.to_guest[1]):
            assert kind == AgentType.ANNOUNCE_CAPABILITIES
            assert not has(decode(AnnounceCapabilities, body).caps, AgentCap.CLIPBOARD_GRAB_SERIAL)
        line.change(Policy())
        for kind, body in (line.to_client[2], line.to_guest[2]):
            assert kind == AgentType.ANNOUNCE_CAPABILITIES
            assert decode(AnnounceCapabilities, body).caps == ALL_CAPS

    def test_the_same_policy_again_says_nothing(self) -> None:
        line = started()
        line.change(Policy())
        assert (line.to_client, line.to_guest) == ([], [])

    def test_a_copy_that_is_under_way_is_emptied(self) -> None:
        line = started()
        first, *rest = split(AgentType.CLIPBOARD, data(TEXT, b"x" * 5000))
        line.guest_data(first)
        line.change(NO_CLIPBOARD)
        for piece in rest:
            line.guest_data(piece)
        (copied,) = [body for kind, body in line.to_client if kind == AgentType.CLIPBOARD]
        assert len(copied) == 5008
        assert copied.endswith(bytes(5000 - 2048 + 28))

    def test_what_is_under_way_and_still_allowed_stays_whole(self) -> None:
        line = started()
        line.client_says(*file_start(1))
        line.to_guest.clear()
        copied, sent = (AgentType.CLIPBOARD, data(TEXT, b"x" * 5000)), file_data(1, b"y" * 5000)
        from_guest, to_guest = split(*copied), split(*sent)
        line.guest_data(from_guest[0])
        line.client_data(to_guest[0])
        line.change(Policy(microphone=False, clipboard_types=frozenset({ClipboardType.TEXT})))
        for piece in from_guest[1:]:
            line.guest_data(piece)
        for piece in to_guest[1:]:
            line.client_data(piece)
        assert copied in line.to_client
        assert sent in line.to_guest

    def test_a_policy_that_comes_before_the_agent_holds_for_it(self) -> None:
        line = Line()
        line.change(Policy(clipboard_from_desktop=False))
        line.start()
        line.to_client.clear()
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(TEXT))
        assert line.to_client == []


@pytest.mark.parametrize("takes", [3, 0xFFFFFFFF])
@pytest.mark.parametrize("window", [5, 20])
def test_nothing_stalls_over_thousands_of_messages_with_drops(takes: int, window: int) -> None:
    line = Line(
        Policy(clipboard_from_desktop=False, clipboard_to_desktop=False, files_to_desktop=False), client_takes=takes
    )
    line.set_ack(window)
    line.start()
    for turn in range(1500):
        line.guest_says(AgentType.CLIPBOARD_GRAB, grab(TEXT))
        line.guest_says(AgentType.CLIPBOARD, data(TEXT, b"x" * 3000))
        line.guest_says(AgentType.CLIPBOARD_REQUEST, request(TEXT))
        line.guest_says(AgentType.REPLY, bytes(8))
        line.client_says(AgentType.CLIPBOARD_GRAB, grab(TEXT))
        line.client_says(AgentType.CLIPBOARD_REQUEST, request(TEXT))
        line.client_says(*file_start(turn))
        line.client_says(*file_data(turn, b"x" * 3000))
        line.from_server(MainServer.MULTI_MEDIA_TIME, bytes(4))
    replies = [kind for kind, _ in line.to_client].count(AgentType.REPLY)
    refusals = [kind for kind, _ in line.to_client].count(AgentType.FILE_XFER_STATUS)
    assert (replies, refusals) == (1500, 1500)
    assert all(kind in (AgentType.ANNOUNCE_CAPABILITIES, AgentType.CLIPBOARD) for kind, _ in line.to_guest)
    assert line.client_tokens == 9


def test_an_agent_that_comes_anew_begins_with_its_own_tokens() -> None:
    line = started()
    line.client_data(split(AgentType.CLIPBOARD, data(TEXT, b"x" * 5000))[0])
    line.from_server(MainServer.AGENT_DISCONNECTED, encode(AgentDisconnected(error=0)))
    line.from_server(MainServer.AGENT_CONNECTED_TOKENS, encode(AgentTokens(tokens=10)))
    assert line.client_tokens == 9
    # What the client says before it starts with the new agent is lost, as it is on the server.
    line.client_data(b"the end of something")
    line.client_tokens += 1
    line._guest_agent.reset()
    line.from_client(MainClient.AGENT_START, encode(AgentTokens(tokens=0xFFFFFFFF)))
    line.client_says(AgentType.DISPLAY_CONFIG, bytes(8))
    assert line.to_guest[-1] == (AgentType.DISPLAY_CONFIG, bytes(8))


@pytest.mark.parametrize(
    "kind",
    [AgentType.MOUSE_STATE, AgentType.GRAPHICS_DEVICE_INFO, AgentType.CLIENT_DISCONNECTED, AgentType.REPLY, 0, 99],
)
def test_what_a_client_has_no_business_to_say_is_dropped(kind: int) -> None:
    line = started()
    line.client_says(kind, bytes(13))
    assert line.to_guest == []
    assert line.client_tokens == 9


@pytest.mark.parametrize("kind", [AgentType.FILE_XFER_START, AgentType.MONITORS_CONFIG, AgentType.MAX_CLIPBOARD, 99])
def test_what_a_guest_has_no_business_to_say_is_dropped(kind: int) -> None:
    line = started()
    line.guest_says(kind, bytes(13))
    assert line.to_client == []


def test_small_messages_in_several_pieces_are_dropped() -> None:
    line = started()
    line.client_says(AgentType.CLIPBOARD_GRAB, grab(*[TEXT] * 1000))
    assert line.to_guest == []


def test_layouts_without_selections_are_understood() -> None:
    line = Line(TEXT_ONLY)
    line.start(client_caps=words_of([AgentCap.CLIPBOARD_BY_DEMAND]))
    line.to_client.clear()
    bare = ClipboardLayout()
    line.guest_says(AgentType.CLIPBOARD_GRAB, bare.encode(ClipboardGrab(types=(PNG, TEXT))))
    assert line.to_client == [(AgentType.CLIPBOARD_GRAB, bare.encode(ClipboardGrab(types=(TEXT,))))]


def test_a_client_without_tokens_is_broken_off() -> None:
    line = started()
    (said,) = split(AgentType.DISPLAY_CONFIG, bytes(8))
    packet = frame(line.kind, MainClient.AGENT_DATA, said)
    for _ in range(10):  # Whose tokens the guest does not give back.
        line.filter.from_client(packet)
    with pytest.raises(RemoteProtocolError, match="token"):
        line.filter.from_client(packet)
