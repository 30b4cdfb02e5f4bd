"""Told to end in the same moment as something else fails: it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve

from frazil.server import cancellation
from frazil.server.guests.service import GuestService
from frazil.server.link import Host, Link, on_this_machine
from frazil.wire.hostlink import Answer, Ask, Capabilities, Desired, Hello, HostLoad, Observed, Welcome

DEADLINE_S = 30.0
LOAD = HostLoad(memory_available_mib=1, disk_free_mib=1, load1=0.0)


async def _fails_when_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionResetError("the other end went at the same time")


async def _loops(rounds: list[int]) -> None:
    while True:
        rounds.append(1)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_fails_when_cancelled())
        except* ConnectionError:
            rounds.append(2)
        cancellation.due()


async def test_a_loop_around_a_task_group_ends_though_the_cancellation_was_lost() -> None:
    rounds: list[int] = []
    task = asyncio.create_task(_loops(rounds))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=DEADLINE_S)
    assert task.cancelled()
    assert rounds == [1, 2], "the error was handled, and no further round was begun"


async def test_nothing_is_due_of_a_task_that_nobody_cancelled() -> None:
    cancellation.due()


def _link(socket: Path, *, want: Callable[[Desired], None], observe: Callable[[], Awaitable[Observed]]) -> Link:
    async def answer(ask: Ask) -> Answer:
        return Answer(id=ask.id)

    def hello() -> Hello:
        capabilities = Capabilities(kvm=False, spice=True, vcpus=1, memory_mib=1, qemu="", libvirt="")
        return Hello(installation_id="i", host_id="h", host_name="n", version="0", capabilities=capabilities)

    return Link(
        on_this_machine(socket),
        Host(hello=hello, welcomed=lambda _: None, observe=observe, want=want, answer=answer, load=lambda: LOAD),
    )


@asynccontextmanager
async def _controller(
    place: Path, talk: Callable[[ServerConnection], Awaitable[None]]
) -> AsyncIterator[asyncio.Queue[ServerConnection]]:
    came: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def serve(connection: ServerConnection) -> None:
        came.put_nowait(connection)
        await connection.recv()
        await talk(connection)
        await connection.wait_closed()

    async with unix_serve(serve, str(place / "hosts.sock")):
        yield came


async def test_the_link_ends_when_its_connection_breaks_in_the_moment_of_its_cancellation(place: Path) -> None:
    observing = asyncio.Event()

    async def observe() -> Observed:
        observing.set()
        await _fails_when_cancelled()
        raise AssertionError

    async def talk(connection: ServerConnection) -> None:
        await connection.send(Welcome(protocol=1).model_dump_json())
        await connection.send(Desired(generation=1, desktops=[], images=[]).model_dump_json())

    async with _controller(place, talk) as came:
        task = asyncio.create_task(_link(place / "hosts.sock", want=lambda _: None, observe=observe).run())
        async with asyncio.timeout(DEADLINE_S):
            await came.get()
            await observing.wait()
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE_S)
        assert task.cancelled()
        assert came.empty(), "it dialled again"


async def test_the_link_dials_again_after_nonsense(place: Path) -> None:
    async def observe() -> Observed:
        raise AssertionError

    async def talk(connection: ServerConnection) -> None:
        await connection.send("hello yourself")

    async with _controller(place, talk) as came:
        task = asyncio.create_task(_link(place / "hosts.sock", want=lambda _: None, observe=observe).run())
        async with asyncio.timeout(DEADLINE_S):
            await came.get()
            await came.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_call_to_the_guest_ends_when_its_port_closes_in_the_moment_of_its_cancellation(place: Path) -> None:
    heard = asyncio.Event()

    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await reader.readline()
        heard.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(guest, str(place / "guest.sock")):
        service = GuestService(lambda said: None)
        listening = asyncio.create_task(service.listen(place / "guest.sock"))
        await service.connected.wait()
        calling = asyncio.create_task(service.call("state", {}, timeout_s=DEADLINE_S))
        async with asyncio.timeout(DEADLINE_S):
            await heard.wait()
        listening.cancel()
        calling.cancel()
        await asyncio.wait({listening, calling}, timeout=DEADLINE_S)
        assert listening.cancelled()
        assert calling.cancelled()
