"""The viewers of `bench/gateway.py`: loads one relay with SPICE links and says what they saw.

    python bench/relay_load.py < one line of JSON

The line holds the fields of `Work`. Prints one line of JSON; `hold` prints it when all sessions are up, and keeps them
until the standard input ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles

import uvloop
from plain_server import ASK, BEGINNING, ECHO, STREAM
from relays import CIPHER, Relay
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from frazil.spice.base_messages import BaseClient, BaseServer, Ping, Pong
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, MessageParser, encode
from frazil.spice.main_channel import MainInit, MainServer
from frazil.spice.records import decode
from frazil.spice.records import encode as encode_body
from tests.integration.gateway.stage import FIRST_ON_DISPLAY, SpiceClient, TunnelClient, WebSocketClient

AT_ONCE = 8
"""Sessions that are being set up."""
WARM_UP_S = 0.4
WARM_UP_ECHOES = 50
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What to do. `way`: straight, tls (straight too), tunnel, websocket (both by the gateway), haproxy, websockify.

    sessions: ids and tickets, as many as are used; only the gateway looks at them.
    size_bytes: of one answer. per_s: a busy session's echoes a second.
    """

    do: str
    way: str
    back_end: str
    port: int = 0
    pid: int = 0
    trust: str = ""
    sessions: list[list[str]] = field(default_factory=list)
    size_bytes: int = 0
    seconds: float = 0.0
    count: int = 0
    per_s: float = 0.0


class Viewer:
    """Opens sessions by one way."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._tls: ssl.SSLContext | None = None
        if work.trust:
            self._tls = ssl.create_default_context(cafile=work.trust)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_3

    @asynccontextmanager
    async def session(self, session_id: str, ticket: str, *, display: bool = True) -> AsyncIterator[SpiceClient]:
        """A main link that answers pings, and a display link beside it: that one; the main link without `display`."""
        async with AsyncExitStack() as stack:
            main = await stack.enter_async_context(self._linked(session_id, ticket, ChannelType.MAIN, 0))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            connection_id: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            following = tasks.create_task(_follow(main, connection_id))
            try:
                async with asyncio.timeout(DEADLINE_S):
                    number = await connection_id
                if not display:
                    yield main
                    return
                async with self._linked(session_id, ticket, ChannelType.DISPLAY, number) as link:
                    yield link
            finally:
                following.cancel()

    @asynccontextmanager
    async def _linked(
        self, session_id: str, ticket: str, channel: ChannelType, connection_id: int
    ) -> AsyncIterator[SpiceClient]:
        async with self._connected(session_id) as client, asyncio.timeout(DEADLINE_S) as deadline:
            reply = await client.link(channel, connection_id=connection_id)
            assert reply.error == 0, reply.error
            result = await client.give(ticket)
            assert result == 0, result
            if channel == ChannelType.DISPLAY:
                await client.send(FIRST_ON_DISPLAY)
                await client.read(len(BEGINNING))
            deadline.reschedule(None)
            yield client

    @asynccontextmanager
    async def _connected(self, session_id: str) -> AsyncIterator[SpiceClient]:
        work = self._work
        if work.way in ("websocket", "websockify"):
            path = f"spice/{session_id}" if work.way == "websocket" else ""
            async with connect(
                f"wss://localhost:{work.port}/{path}", ssl=self._tls, subprotocols=[Subprotocol("binary")],
                compression=None, proxy=None, max_size=None, ping_interval=None, close_timeout=0.1,
            ) as connection:  # fmt: skip
                self._check(connection.transport.get_extra_info("cipher"))
                yield WebSocketClient(connection)
            return
        if work.way == "straight":
            reader, writer = await asyncio.open_unix_connection(work.back_end)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", work.port)
        try:
            async with asyncio.timeout(DEADLINE_S):
                if work.way == "tunnel":
                    target = f"{session_id}:{work.port}"
                    writer.write(f"CONNECT {target} HTTP/1.0\r\nHost: {target}\r\n\r\n".encode())
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.split()[1] == b"200", head
                if self._tls is not None:
                    await writer.start_tls(self._tls, server_hostname="localhost")
                    self._check(writer.get_extra_info("cipher"))
            yield TunnelClient(reader, writer)
        finally:
            writer.transport.abort()

    def _check(self, cipher: tuple[str, str, int]) -> None:
        assert cipher[:2] == (CIPHER, "TLSv1.3"), cipher


async def _follow(main: SpiceClient, connection_id: asyncio.Future[int]) -> None:
    """Raises EOFError when the link ends, which nobody wants here."""
    parser = MessageParser(HeaderKind.MINI)
    while data := await main.some():
        for message in parser.feed(data):
            if message.type == MainServer.INIT:
                connection_id.set_result(decode(MainInit, message.body).session_id)
            elif message.type == BaseServer.PING:
                ping = decode(Ping, message.body)
                pong = encode_body(Pong(id=ping.id, timestamp=ping.timestamp))
                await main.send(encode(HeaderKind.MINI, BaseClient.PONG, pong))
    raise EOFError("the main link has ended")


async def echo(link: SpiceClient, size_bytes: int) -> float:
    """Seconds until the whole answer was there."""
    began_s = time.perf_counter()
    await link.send(ASK.pack(ECHO, ASK.size - HeaderKind.MINI.value, size_bytes))
    await link.read(size_bytes)
    return time.perf_counter() - began_s


def percentiles(values_s: Sequence[float], *, scale: float) -> dict[str, object]:
    cuts = quantiles(values_s, n=100, method="inclusive")
    return {"p50": round(cuts[49] * scale, 3), "p99": round(cuts[98] * scale, 3)}


async def latency(work: Work) -> dict[str, object]:
    """Round trips one after the other over one link, in microseconds."""
    async with Viewer(work).session(*work.sessions[0]) as link:
        took_s = [await echo(link, work.size_bytes) for _ in range(WARM_UP_ECHOES + work.count)]
    return percentiles(took_s[WARM_UP_ECHOES:], scale=1e6)


async def stream(work: Work) -> dict[str, object]:
    """As much as goes through one display link a session."""
    relay = Relay(work.pid, work.port)
    got = 0

    async def take(link: SpiceClient) -> None:
        nonlocal got
        await link.send(ASK.pack(STREAM, ASK.size - HeaderKind.MINI.value, work.size_bytes))
        while data := await link.some():
            got += len(data)

    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(Viewer(work).session(*one)) for one in work.sessions]
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        taking = [tasks.create_task(take(link)) for link in links]
        await asyncio.sleep(WARM_UP_S)
        before = (time.perf_counter(), relay.cpu_s(), got)
        await asyncio.sleep(work.seconds)
        after = (time.perf_counter(), relay.cpu_s(), got)
        for task in taking:
            task.cancel()
    wall_s, cpu_s, passed = (late - early for late, early in zip(after, before, strict=True))
    return {"bytes": passed, "cpu_s": cpu_s, "wall_s": wall_s}


async def set_up(work: Work) -> dict[str, object]:
    """Sessions until their first message, some at once, each closed again."""
    relay, viewer = Relay(work.pid, work.port), Viewer(work)
    waiting: Iterator[list[str]] = iter(work.sessions)

    async def some() -> None:
        for session_id, ticket in waiting:
            async with viewer.session(session_id, ticket, display=False):
                pass

    began = (time.perf_counter(), relay.cpu_s())
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(some())
    return {"wall_s": time.perf_counter() - began[0], "cpu_s": relay.cpu_s() - began[1]}


async def _all_up(viewer: Viewer, sessions: list[list[str]], stack: AsyncExitStack) -> list[SpiceClient]:
    """All sessions with their display links, until `stack` is closed."""
    gate = asyncio.Semaphore(AT_ONCE)
    over = asyncio.Event()
    tasks = await stack.enter_async_context(asyncio.TaskGroup())
    stack.callback(over.set)

    async def one(session_id: str, ticket: str, up: asyncio.Future[SpiceClient]) -> None:
        async with AsyncExitStack() as own:
            async with gate:
                link = await own.enter_async_context(viewer.session(session_id, ticket))
            up.set_result(link)
            await over.wait()

    ups: list[asyncio.Future[SpiceClient]] = [asyncio.get_running_loop().create_future() for _ in sessions]
    for (session_id, ticket), up in zip(sessions, ups, strict=True):
        tasks.create_task(one(session_id, ticket, up))
    return [await up for up in ups]


async def hold(work: Work) -> dict[str, object]:
    """Sessions that say nothing, until the standard input ends."""
    async with AsyncExitStack() as stack:
        links = await _all_up(Viewer(work), work.sessions, stack)
        print(json.dumps({"links": 2 * len(links)}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    return {}


async def busy(work: Work) -> dict[str, object]:
    """Sessions that each ask for an answer so many times a second, in a rhythm of their own."""
    relay = Relay(work.pid, work.port)
    took_s: list[float] = []
    late_s: list[float] = []

    async def ask(link: SpiceClient, first_s: float) -> None:
        for nth in itertools.count():
            at_s = first_s + nth / work.per_s
            if at_s >= until_s:
                return
            await asyncio.sleep(at_s - time.perf_counter())
            late_s.append(time.perf_counter() - at_s)
            took_s.append(await echo(link, work.size_bytes))

    async with AsyncExitStack() as stack:
        links = await _all_up(Viewer(work), work.sessions, stack)
        began_s, before_s = time.perf_counter(), relay.cpu_s()
        until_s = began_s + work.seconds
        chance = random.Random(1)
        async with asyncio.TaskGroup() as tasks:
            for link in links:
                tasks.create_task(ask(link, began_s + chance.random() / work.per_s))
        cpu_s = relay.cpu_s() - before_s
    return {
        "count": len(took_s), "cpu_s": cpu_s,
        "took_ms": percentiles(took_s, scale=1e3), "late_ms": percentiles(late_s, scale=1e3),
    }  # fmt: skip


WORKS: dict[str, Callable[[Work], Coroutine[None, None, dict[str, object]]]] = {
    "latency": latency, "stream": stream, "set_up": set_up, "hold": hold, "busy": busy,
}  # fmt: skip


def main() -> None:
    work = Work(**json.loads(sys.stdin.readline()))
    result = uvloop.run(WORKS[work.do](work))
    if result:
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
