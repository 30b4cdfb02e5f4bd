"""Who is let in to a desktop, and who is not."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import InvalidStatus

from frazil.gateway import measuring
from frazil.gateway.close_codes import CloseCode
from frazil.spice import link
from frazil.spice.channels import ChannelType
from frazil.spice.link_errors import LinkError
from frazil.wire.hostlink import FailureField
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.stage import FIRST_ON_DISPLAY, SpiceClient, Stage

pytestmark = pytest.mark.real
UNKNOWN = "01900000-0000-7000-8000-00000000dead"


async def enter(stage: Stage, client: SpiceClient, session_id: str) -> tuple[str, int]:
    """Open the session's main link; its ticket and connection id."""
    assert (await client.link(ChannelType.MAIN)).error == LinkError.OK
    ticket = stage.controller.mint(session_id)
    assert await client.give(ticket) == LinkError.OK
    return ticket, await client.main_init()


async def told(stage: Stage, session_id: str, *, connected: bool) -> None:
    async with asyncio.timeout(30), stage.controller.said:
        await stage.controller.said.wait_for(
            lambda: any(s == session_id and state.connected is connected for s, state in stage.controller.states)
        )


async def refused(stage: Stage, session_id: str, expected: dict[str, int]) -> None:
    """Until the controller was told of so many refusals, for these reasons and no others."""

    def told() -> bool:
        counted: Counter[str] = Counter()
        for refusal in stage.controller.refusals:
            assert (refusal.session_id, refusal.remote_address) == (session_id, "127.0.0.1")
            counted[refusal.why] += refusal.times
        return counted == expected

    async with asyncio.timeout(30), stage.controller.said:
        await stage.controller.said.wait_for(told)


async def test_main_and_display_are_linked_and_reported(stage: Stage, back_end: BackEnd) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        await told(stage, session_id, connected=True)
        async with stage.websocket(session_id) as display:
            await display.link(ChannelType.DISPLAY, connection_id=connection_id)
            assert await display.give(ticket) == LinkError.OK
            await display.send(FIRST_ON_DISPLAY)
            assert await display.read(6)
            assert {1, 2} <= back_end.channels()
    await told(stage, session_id, connected=False)
    assert stage.displays.asked[0].desktop_id == "desktop-1"
    assert stage.controller.redeemed[0].remote_address == "127.0.0.1"


async def test_a_ticket_is_good_once(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, _ = await enter(stage, main, session_id)
        async with stage.websocket(session_id) as again:
            await again.link(ChannelType.MAIN)
            assert await again.give(ticket) == LinkError.PERMISSION_DENIED
            assert await again.closed() == CloseCode.REFUSED
        await main.send(b"\x03\x00\x00\x00\x00\x00")  # The first main link still lives.
        await asyncio.wait_for(main.connection.ping(), 20)


@pytest.mark.parametrize("ticket", ["", "wrong", "x" * 60])
async def test_a_wrong_ticket_is_refused(stage: Stage, ticket: str) -> None:
    async with stage.websocket(stage.controller.open_session()) as client:
        await client.link(ChannelType.MAIN)
        assert await client.give(ticket) == LinkError.PERMISSION_DENIED
        assert await client.closed() == CloseCode.REFUSED


async def test_another_sessions_ticket_is_refused(stage: Stage) -> None:
    theirs, mine = stage.controller.open_session(), stage.controller.open_session()
    async with stage.websocket(mine) as client:
        await client.link(ChannelType.MAIN)
        assert await client.give(stage.controller.mint(theirs)) == LinkError.PERMISSION_DENIED


async def test_an_unreadable_password_is_refused(stage: Stage) -> None:
    async with stage.websocket(stage.controller.open_session()) as client:
        await client.link(ChannelType.MAIN)
        await client.send(b"\x01\0\0\0" + bytes(128))
        assert int.from_bytes(await client.read(4), "little") == LinkError.PERMISSION_DENIED


async def test_sasl_is_not_offered_and_not_taken(stage: Stage) -> None:
    async with stage.websocket(stage.controller.open_session()) as client:
        reply = await client.link(ChannelType.MAIN)
        assert not reply.common_caps[0] & 0b100
        await client.send(b"\x02\0\0\0" + bytes(128))
        assert int.from_bytes(await client.read(4), "little") == LinkError.INVALID_DATA


async def test_other_channels_need_a_main_link(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as client:
        assert (await client.link(ChannelType.DISPLAY, connection_id=1)).error == LinkError.PERMISSION_DENIED
    assert stage.displays.asked == []
    await refused(stage, session_id, {"There is no main link yet.": 1})


async def test_other_channels_need_its_ticket_and_its_connection_id(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        for given, named, result in (
            (stage.controller.mint(session_id), connection_id, LinkError.PERMISSION_DENIED),
            ("", connection_id, LinkError.PERMISSION_DENIED),
            (ticket, connection_id ^ 1, LinkError.BAD_CONNECTION_ID),
            (ticket, 0, LinkError.BAD_CONNECTION_ID),
        ):
            async with stage.websocket(session_id) as other:
                await other.link(ChannelType.INPUTS, connection_id=named)
                assert other.reply.error in (LinkError.OK, LinkError.BAD_CONNECTION_ID)
                if other.reply.error == LinkError.OK:
                    assert await other.give(given) == result
        await refused(
            stage,
            session_id,
            {
                "The ticket is not the one that opened this session.": 2,
                "The connection id is not that of this session's main link.": 2,
            },
        )
        await asyncio.wait_for(main.connection.ping(), 20)


async def test_a_main_link_has_no_connection_id(stage: Stage) -> None:
    async with stage.websocket(stage.controller.open_session()) as client:
        assert (await client.link(ChannelType.MAIN, connection_id=5)).error == LinkError.BAD_CONNECTION_ID
    assert stage.displays.asked == []


async def test_an_unknown_session_is_refused(stage: Stage) -> None:
    async with stage.websocket(UNKNOWN) as client:
        assert (await client.link(ChannelType.MAIN)).error == LinkError.PERMISSION_DENIED
        assert await client.closed() == CloseCode.ENDED


async def test_when_main_goes_all_go(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        async with stage.websocket(session_id) as inputs:
            await inputs.link(ChannelType.INPUTS, connection_id=connection_id)
            assert await inputs.give(ticket) == LinkError.OK
            await main.connection.close()
            assert await inputs.closed() == CloseCode.MAIN_GONE


async def test_a_newer_main_link_takes_the_desktop_over(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as first, stage.websocket(session_id) as second:
        await enter(stage, first, session_id)
        await enter(stage, second, session_id)
        assert await first.closed() == CloseCode.REPLACED
        await asyncio.wait_for(second.connection.ping(), 20)


async def test_a_revocation_cuts_at_once(stage: Stage) -> None:
    """Within a second; once in ten, since the machine may be busy with others for that long."""
    took_s: list[float] = []
    while not took_s or (min(took_s) >= 1 and len(took_s) < 10):
        took_s.append(await _cut_s(stage))
    assert min(took_s) < 1, took_s


async def _cut_s(stage: Stage) -> float:
    """Seconds from a session's end until its links are cut. One of them has not begun yet."""
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        async with stage.websocket(session_id) as display:
            await display.link(ChannelType.DISPLAY, connection_id=connection_id)
            assert await display.give(ticket) == LinkError.OK
            began_s = time.monotonic()
            stage.controller.end_session(session_id)
            assert await main.closed() == CloseCode.ENDED
            assert await display.closed() == CloseCode.ENDED
            return time.monotonic() - began_s


@pytest.fixture
def measured_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "EVERY_S", 0.05)


async def test_the_line_is_measured_and_told(measured_often: None, stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        async with stage.websocket(session_id) as display:
            await display.link(ChannelType.DISPLAY, connection_id=connection_id)
            assert await display.give(ticket) == LinkError.OK
            await display.send(FIRST_ON_DISPLAY)
            got = len(await display.read(6))

            def told() -> bool:
                lines = stage.controller.lines[-1].lines if stage.controller.lines else []
                return any(
                    line.session_id == session_id
                    and line.links == 2
                    and line.to_viewer_bytes >= got
                    and line.to_desktop_bytes >= 20
                    for line in lines
                )

            async with asyncio.timeout(30), stage.controller.said:
                await stage.controller.said.wait_for(told)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost", "null", "https://localhost:1"])
async def test_another_sites_pages_are_refused(stage: Stage, origin: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with stage.websocket(stage.controller.open_session(), origin=origin):
            pass
    assert caught.value.response.status_code == 403


async def test_a_program_without_a_browser_needs_no_origin(stage: Stage) -> None:
    async with stage.websocket(stage.controller.open_session(), origin=None) as client:
        assert (await client.link(ChannelType.MAIN)).error == LinkError.OK


@pytest.mark.parametrize(
    ("packet", "error"),
    [
        (b"REDQ" + bytes([2, 0, 0, 0, 2, 0, 0, 0]) + b"\xff\xff\xff\xff", LinkError.INVALID_DATA),
        (b"REDQ" + bytes([9, 0, 0, 0, 2, 0, 0, 0]) + bytes(4), LinkError.VERSION_MISMATCH),
        (b"GET / HTTP/1.1\r\n\r\n", LinkError.INVALID_MAGIC),
        (
            b"REDQ" + bytes([2, 0, 0, 0, 2, 0, 0, 0, 18, 0, 0, 0]) + bytes(6) + b"\xff\xff\xff\x7f" * 3,
            LinkError.INVALID_DATA,
        ),
    ],
)
async def test_bad_link_messages_are_answered_and_closed(stage: Stage, packet: bytes, error: LinkError) -> None:
    async with stage.websocket(stage.controller.open_session()) as client:
        await client.send(packet)
        assert (await client.read_reply()).error == error
        assert await client.closed() == CloseCode.BAD_LINK


async def test_text_is_not_spice(stage: Stage) -> None:
    async with stage.websocket(stage.controller.open_session()) as client:
        await client.connection.send("REDQ")
        with pytest.raises(EOFError):
            await client.read(1)


async def test_a_link_that_is_never_finished_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.gateway.links.HANDSHAKE_DEADLINE_S", 0.3)
    async with stage.websocket(stage.controller.open_session()) as client:
        await client.send(b"REDQ")
        assert await client.closed() == CloseCode.BAD_LINK


@pytest.fixture
def few_handshakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.gateway.places.PLACES", 2)


async def test_links_that_say_nothing_keep_nobody_out(few_handshakes: None, stage: Stage) -> None:
    async with AsyncExitStack() as silent:
        for session_id in (UNKNOWN, stage.controller.open_session(), stage.controller.open_session()):
            held = await silent.enter_async_context(stage.websocket(session_id))
            await held.send(b"REDQ")
        session_id = stage.controller.open_session()
        async with asyncio.timeout(30), stage.websocket(session_id) as client:
            await enter(stage, client, session_id)


async def test_the_hosts_words_reach_the_viewer(stage: Stage) -> None:
    stage.displays.failure = FailureField(code="gone", text="The desktop is not running.", remedy="Start it.")
    async with stage.websocket(stage.controller.open_session()) as client:
        assert (await client.link(ChannelType.MAIN)).error == LinkError.ERROR
        assert await client.closed() == CloseCode.BACKEND_GONE
        assert client.connection.close_reason == "The desktop is not running. Start it."


async def test_stopping_tells_viewers_to_come_back(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        await enter(stage, main, session_id)
        stage.gateway.cancel()
        assert await main.closed() == CloseCode.RESTARTING
    await told(stage, session_id, connected=False)


def test_the_link_packet_limits_are_the_protocols() -> None:
    assert link.BODY_MAX_BYTES == 4096
