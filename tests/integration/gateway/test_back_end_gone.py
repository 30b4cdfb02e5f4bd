"""A back end whose socket has just closed: what is still said to it ends its link, and nothing else.

On the event loop of the gateway's process: Python's own forgives whoever writes to what is closed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from frazil.gateway.close_codes import CloseCode
from frazil.gateway.filtering import LinkFilter
from frazil.gateway.relay import RELAY_READ_BYTES, Ended, Relay
from frazil.gateway.sessions import LiveSessions
from frazil.gateway.streams import PlainStream, TunnelStream
from frazil.model.policy import Policy
from frazil.runtime import SystemClock
from frazil.spice.agent_messages import AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import split
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.main_channel import AgentTokens, MainClient, MainServer
from frazil.spice.records import encode as encode_body
from tests.integration.gateway.stage import DEADLINE_S

CLOSED = Policy(clipboard_to_desktop=False, clipboard_from_desktop=False, folders=False)
LARGE = bytes(4 << 20)


class Main:
    """A main link of the registry's."""

    def change(self, policy: Policy) -> None: ...

    def cut(self, code: CloseCode, reason: str) -> None: ...


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[PlainStream, asyncio.StreamWriter, socket.socket]]:
    """One end as the gateway has it, and the other one."""
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            yield PlainStream(reader, writer, read_max_bytes=RELAY_READ_BYTES), writer, theirs
        finally:
            writer.transport.abort()
            await writer.wait_closed()


async def close(writer: asyncio.StreamWriter) -> None:
    """As when the kernel has said that the peer is gone: the event loop lets go of the socket."""
    writer.transport.abort()
    async with asyncio.timeout(DEADLINE_S):
        await writer.wait_closed()


def message(number: int, content: object) -> bytes:
    return encode(HeaderKind.MINI, number, encode_body(content))


def with_agent() -> LinkFilter:
    """A main link's, whose client has told what it can: with another policy the guest is told anew."""
    made = LinkFilter(channel=ChannelType.MAIN, kind=HeaderKind.MINI, policy=Policy(), clock=SystemClock())
    made.from_client(message(MainClient.AGENT_START, AgentTokens(tokens=0xFFFFFFFF)))
    made.from_server(message(MainServer.AGENT_CONNECTED_TOKENS, AgentTokens(tokens=10)))
    made.from_client(message(MainClient.AGENT_START, AgentTokens(tokens=0xFFFFFFFF)))
    caps = encode_body(AnnounceCapabilities(request=False, caps=(0x3FFFF,)))
    made.from_client(encode(HeaderKind.MINI, MainClient.AGENT_DATA, split(AgentType.ANNOUNCE_CAPABILITIES, caps)[0]))
    return made


@asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Relay, socket.socket]]:
    """A main link, and its viewer's socket; the back end's has closed."""
    ours, viewer = socket.socketpair()
    with viewer:
        reader, writer = await asyncio.open_connection(sock=ours)
        async with pair() as (back_end, to_back_end, _):
            made = Relay(
                TunnelStream(reader, writer, read_max_bytes=RELAY_READ_BYTES),
                back_end,
                with_agent(),
                LiveSessions().open("s", b"ticket", Main(), policy=Policy(), policy_version=1, host_id="host-1"),
                clock=SystemClock(),
                cut=asyncio.get_running_loop().create_future(),
                start=None,
            )
            await close(to_back_end)
            try:
                yield made, viewer
            finally:
                await close(writer)


async def test_a_policy_that_comes_just_then_ends_the_link() -> None:
    async with relayed() as (relay, _):
        with pytest.raises(Ended) as ended:
            relay.change(CLOSED)
    assert ended.value.code is CloseCode.BACKEND_GONE


async def test_a_viewer_that_speaks_just_then_is_told_of_it() -> None:
    async with relayed() as (relay, viewer):
        viewer.send(message(MainClient.AGENT_TOKEN, AgentTokens(tokens=1)))
        async with asyncio.timeout(DEADLINE_S):
            ended = await relay.run()
    assert ended.code is CloseCode.BACKEND_GONE


async def test_what_was_not_taken_is_let_go_with_the_link() -> None:
    async with pair() as (stream, writer, _):
        stream.send(LARGE)
        await close(writer)
        async with asyncio.timeout(DEADLINE_S):
            await stream.close()
