"""A link that is cut, spoilt or left alone after any of its bytes, by either side and either way in, costs little.

It ends in bounded time, both its ends are let go, no memory stays taken, nothing is a bug, and others come in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from frazil.spice import link
from frazil.spice.agent_messages import AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import split
from frazil.spice.auth import ENCRYPTED_BYTES, TicketKey
from frazil.spice.base_messages import BaseClient, BaseServer, Ping, Pong, SetAck
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind
from frazil.spice.framing import encode as frame
from frazil.spice.link import LinkReply
from frazil.spice.link_errors import LinkError
from frazil.spice.main_channel import AgentTokens, ChannelId, ChannelsList, MainClient, MainServer
from frazil.spice.records import encode
from tests.integration.gateway.own_process import OwnGateway, own_process
from tests.integration.gateway.played import INIT
from tests.integration.gateway.spoiling import GONE, HOWS, Rope, RopeTunnel, RopeWebSocket, roped
from tests.integration.gateway.stage import DEADLINE_S, Stage

CHANGED = {
    "entrance__FIRST_BYTES_DEADLINE_S": 2.0,
    "entrance__TLS_DEADLINE_S": 2.0,
    "entrance__PLAIN_DEADLINE_S": 2.0,
    "connection__HEAD_DEADLINE_S": 2.0,
    "links__HANDSHAKE_DEADLINE_S": 2.0,
    "places__PLACES": 4096,
    "places__SESSION_PLACES": 4096,
    "places__ADDRESS_PLACES": 4096,
}
"""What is waited for is not waited for long, and as many links as are tried at once have places."""
WAYS = ("websocket", "tunnel")
AT_ONCE = 64
GROWTH_MAX_KIB = 16 << 10
CAPS = split(AgentType.ANNOUNCE_CAPABILITIES, encode(AnnounceCapabilities(request=True, caps=(0x3FFFF,))))[0]
LISTED = ChannelsList(channels=(ChannelId(type=ChannelType.DISPLAY, id=0), ChannelId(type=ChannelType.INPUTS, id=0)))
BACK_END_SAYS = (
    (MainServer.INIT, encode(INIT)),
    (BaseServer.SET_ACK, encode(SetAck(generation=1, window=2))),
    (MainServer.CHANNELS_LIST, encode(LISTED)),
    (MainServer.AGENT_DATA, CAPS),
    (BaseServer.PING, encode(Ping(id=1, timestamp=1, data=bytes(20)))),
)
CLIENT_SAYS = (
    (MainClient.AGENT_START, encode(AgentTokens(tokens=0xFFFFFFFF))),
    (MainClient.AGENT_DATA, CAPS),
    (BaseClient.PONG, encode(Pong(id=1, timestamp=1))),
)


@dataclass(slots=True)
class Case:
    """One link, and the rope of each of its sides. `gone` is set when its back end was let go; None if it has none."""

    client: Rope = field(default_factory=Rope)
    back_end: Rope = field(default_factory=Rope)
    gone: asyncio.Event | None = None


class BackEnd:
    """Knows by a capability that the client says which case it is of."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self._key = TicketKey()
        self._open: set[asyncio.StreamWriter] = set()

    def let_go(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.Event()
        self._open.add(writer)
        try:
            message = link.decode_message(
                await reader.readexactly(link.decode_header(await reader.readexactly(link.HEADER_BYTES)))
            )
            case = self._case(message.common_caps)
            case.gone = gone
            await self._answer(reader, writer, case.back_end)
        except GONE:
            """Somebody has spoilt it."""
        finally:
            await self._see_out(reader)
            self._open.discard(writer)
            writer.transport.abort()
            gone.set()

    def _case(self, caps: tuple[int, ...]) -> Case:
        """Of a client that says garbage nobody knows."""
        known = len(caps) > 1 and caps[1] < len(self.cases)
        return self.cases[caps[1]] if known else Case()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rope: Rope) -> None:
        reply = LinkReply(error=0, public_key=self._key.public_der, common_caps=(0b1011,))
        rope.write(writer, link.encode_reply(reply))
        await reader.readexactly(4 + ENCRYPTED_BYTES)
        rope.write(writer, bytes(4))
        for number, body in BACK_END_SAYS:
            rope.write(writer, frame(HeaderKind.MINI, number, body))

    async def _see_out(self, reader: asyncio.StreamReader) -> None:
        try:
            while await reader.read(1 << 16):
                """Until the gateway lets go."""
        except OSError:
            """It has."""


class Trial:
    """Many links at once on a gateway in a process of its own."""

    def __init__(self, stage: Stage, gateway: OwnGateway, back_end: BackEnd) -> None:
        self.gateway = gateway
        self._stage = stage
        self._back_end = back_end
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self, way: str, cases: Iterable[Case]) -> int:
        """How many of them were let in. Those stay until all others are over, whatever they have said."""
        over, unsettled = asyncio.Event(), list(cases)
        left, linked = len(unsettled), 0

        async def one(case: Case) -> None:
            nonlocal left, linked
            self._back_end.cases.append(case)
            number = len(self._back_end.cases) - 1
            async with roped(way, case.client) as client:
                async with self._gate:
                    is_in = await self._exchange(client, case, number)
                if not is_in:
                    await client.ended()
                left, linked = left - 1, linked + is_in
                if not left:
                    over.set()
                await over.wait()
            if case.gone is not None:
                async with asyncio.timeout(DEADLINE_S):
                    await case.gone.wait()

        async with asyncio.TaskGroup() as tasks:
            for case in unsettled:
                tasks.create_task(one(case))
        return linked

    async def _exchange(self, client: RopeTunnel | RopeWebSocket, case: Case, number: int) -> bool:
        """As far as it goes; whether the client was let in, and the gateway has no reason of its own to end it."""
        session_id = self._stage.controller.open_session()
        is_in = False
        try:
            await client.enter(self._stage, session_id)
            await client.ask(ChannelType.MAIN, common_caps=(0b1001, number))
            if (await client.read_reply()).error != LinkError.OK:
                return False
            is_in = await client.give(self._stage.controller.mint(session_id)) == LinkError.OK
            for said in CLIENT_SAYS:
                await client.say(*said)
            await client.message(BaseServer.PING)
        except GONE:
            """Somebody has spoilt it."""
        return is_in


@pytest.fixture
async def trial(played_stage: Stage, tmp_path: Path) -> AsyncIterator[Trial]:
    back_end = BackEnd()
    played_stage.displays.back_end = tmp_path / "display"
    async with (
        await asyncio.start_unix_server(back_end.serve, played_stage.displays.back_end),
        own_process(played_stage, **CHANGED) as gateway,
    ):
        try:
            yield Trial(played_stage, gateway, back_end)
        finally:
            back_end.let_go()


@pytest.mark.parametrize("everything", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["some", "all"])
@pytest.mark.parametrize("side", ["client", "back_end"])
@pytest.mark.parametrize("way", WAYS)
async def test_after_any_byte(trial: Trial, way: str, side: str, everything: bool) -> None:
    """Each byte in one of the ways, and there one thing is done; `make soak` does all of it in both."""
    whole = Case()
    assert await trial.run(way, [whole]) == 1
    total = whole.client.sent if side == "client" else whole.back_end.sent
    if everything:
        ropes = [Rope(at, how) for at in range(total) for how in HOWS]
    else:
        ropes = [Rope(at, HOWS[at % len(HOWS)]) for at in range(WAYS.index(way), total, len(WAYS))]
    cuts, others = (
        [Case(client=rope) if side == "client" else Case(back_end=rope) for rope in ropes if (rope.how == "cut") is cut]
        for cut in (True, False)
    )
    linked = await trial.run(way, cuts)
    before = trial.gateway.resident_kib()
    linked += await trial.run(way, others)
    assert trial.gateway.resident_kib() - before < GROWTH_MAX_KIB
    assert 20 < linked < len(ropes)
    assert await trial.run(way, [Case()]) == 1, "others come in"
    for bad in (b"Traceback", b"gateway.bug"):
        assert bad not in trial.gateway.said, trial.gateway.said.decode()[-3000:]
