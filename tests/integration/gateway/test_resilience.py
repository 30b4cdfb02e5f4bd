"""What happens to living links when the parts around the gateway come and go."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from frazil.gateway.close_codes import CloseCode
from frazil.spice import link
from frazil.spice.auth import TicketKey
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.link import LinkReply
from frazil.spice.link_errors import LinkError
from tests.harness.ports import free_port
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.controller import FakeController
from tests.integration.gateway.own_process import UNDER_UVLOOP
from tests.integration.gateway.stage import DEADLINE_S, SpiceClient, Stage, staged

pytestmark = pytest.mark.real


async def enter(controller: FakeController, client: SpiceClient, session_id: str) -> None:
    assert (await client.link(ChannelType.MAIN)).error == LinkError.OK
    assert await client.give(controller.mint(session_id)) == LinkError.OK
    await client.main_init()


@pytest.fixture
async def apart(back_end: BackEnd) -> AsyncIterator[tuple[Stage, AsyncExitStack]]:
    """A stage whose controller can be stopped by itself: closing the second value does so."""
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with AsyncExitStack() as controllers, staged(Path(directory), back_end.socket, controllers) as stage:
            yield stage, controllers


async def up_again(stage: Stage, controllers: AsyncExitStack) -> FakeController:
    """A controller that remembers sessions, as one with a database does."""
    after = FakeController()
    after.sessions = stage.controller.sessions
    await controllers.enter_async_context(after.running(stage.settings.internal_socket, stage.settings.public_socket))
    return after


async def test_the_controllers_absence_disturbs_no_link(apart: tuple[Stage, AsyncExitStack]) -> None:
    stage, controllers = apart
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        await enter(stage.controller, main, session_id)
        await controllers.aclose()
        await asyncio.wait_for(main.connection.ping(), 20)
        async with stage.websocket(stage.controller.open_session()) as other:
            assert (await other.link(ChannelType.MAIN)).error == LinkError.ERROR
            assert await other.closed() == CloseCode.UNAVAILABLE
        after = await up_again(stage, controllers)
        async with asyncio.timeout(DEADLINE_S):
            await after.listening.wait()
        await main.connection.close()
        async with asyncio.timeout(DEADLINE_S), after.said:
            await after.said.wait_for(lambda: any(not state.connected for _, state in after.states))


async def test_what_was_ended_meanwhile_is_found_out(apart: tuple[Stage, AsyncExitStack]) -> None:
    stage, controllers = apart
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        await enter(stage.controller, main, session_id)
        await controllers.aclose()
        stage.controller.end_session(session_id, tell=False)
        await up_again(stage, controllers)
        assert await main.closed() == CloseCode.ENDED


async def test_a_desktop_that_dies_ends_its_links(stage: Stage, tmp_path: Path) -> None:
    session_id = stage.controller.open_session()
    with BackEnd(tmp_path) as mine:
        stage.displays.back_end = mine.socket
        async with stage.websocket(session_id) as main:
            await enter(stage.controller, main, session_id)
            mine.kill()
            assert await main.closed() == CloseCode.BACKEND_GONE


class Flood:
    """A back end that says as much as it is let; `said_bytes` is how much that was."""

    def __init__(self) -> None:
        self.key = TicketKey()
        self.said_bytes = 0
        self.stuck = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = link.decode_header(await reader.readexactly(16))
        await reader.readexactly(size)
        reply = LinkReply(error=0, public_key=self.key.public_der, common_caps=(0b1011,))
        writer.write(link.encode_reply(reply))
        await reader.readexactly(4 + 128)
        writer.write(bytes(4))
        message = encode(HeaderKind.MINI, 300, bytes(65_530))
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(message)
                try:
                    async with asyncio.timeout(1):
                        await writer.drain()
                except TimeoutError:
                    self.stuck.set()
                    await writer.drain()
                self.said_bytes += len(message)
        writer.close()


async def test_a_client_that_reads_nothing_stops_the_back_end_not_the_gateway(stage: Stage, tmp_path: Path) -> None:
    flood = Flood()
    stage.displays.back_end = tmp_path / "flood"
    session_id = stage.controller.open_session()
    async with (
        await asyncio.start_unix_server(flood.serve, stage.displays.back_end),
        stage.websocket(session_id) as main,
    ):
        assert (await main.link(ChannelType.MAIN)).error == LinkError.OK
        assert await main.give(stage.controller.mint(session_id)) == LinkError.OK
        async with asyncio.timeout(DEADLINE_S):
            await flood.stuck.wait()
        assert flood.said_bytes < 16 << 20  # Kernel buffers on the way hold a few megabytes; the gateway no more.
        before = flood.said_bytes
        for _ in range(40):
            await main.connection.recv()
        async with asyncio.timeout(DEADLINE_S):
            while flood.said_bytes <= before:
                await main.connection.recv()


async def test_it_runs_on_uvloop_and_stops_on_a_signal(stage: Stage) -> None:
    """The process as it is deployed: another event loop, its own process, ended by SIGTERM."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", UNDER_UVLOOP,
        str(stage.settings.state_dir), str(stage.settings.run_dir), f"127.0.0.1:{port}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        while b"ready" not in (line := await process.stdout.readline()):
            assert line, (await process.communicate())[1].decode()
    stage.port = port
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        await enter(stage.controller, main, session_id)
        process.send_signal(signal.SIGTERM)
        assert await main.closed() == CloseCode.RESTARTING
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0, err.decode()
    assert b"stopped" in out
    # A UNIX socket of anyio's whose request is cancelled may be told after that, by uvloop, that it is ready.
    known = err.count(b"set_result of _asyncio.Future") and err.count(b"InvalidStateError: invalid state")
    assert (out + err).count(b"Traceback") == known, (out + err).decode()


@pytest.mark.parametrize("place", ["gateway.routed", "gateway.redeemed", "gateway.linked"])
async def test_every_failpoint_is_reached(stage: Stage, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Killing the process is tested from outside; here it is only seen that each place is on the way."""
    reached: list[str] = []
    monkeypatch.setattr("frazil.failpoint.reach", reached.append)
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        await enter(stage.controller, main, session_id)
    assert place in reached
