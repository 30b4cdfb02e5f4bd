"""What the server sends the controller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from websockets.asyncio.server import ServerConnection, unix_serve

from frazil.server.link import Host, Link, on_this_machine
from frazil.wire.hostlink import (
    Answer,
    Ask,
    Capabilities,
    Desired,
    Hello,
    HostEvent,
    HostLoad,
    Observed,
    Welcome,
    to_controller,
)

DEADLINE_S = 30.0
AT = datetime(2026, 1, 1, tzinfo=UTC)
LOAD = HostLoad(memory_available_mib=1, disk_free_mib=1, load1=0.0)


def _link(socket: Path, welcomed: Callable[[Welcome], None] = lambda _: None) -> Link:
    async def answer(ask: Ask) -> Answer:
        return Answer(id=ask.id)

    async def observe() -> Observed:
        return Observed(generation=1, complete=True, desktops=[], images=[], strays=[], load=LOAD)

    def hello() -> Hello:
        capabilities = Capabilities(kvm=False, spice=True, vcpus=1, memory_mib=1, qemu="", libvirt="")
        return Hello(installation_id="i", host_id="h", host_name="n", version="0", capabilities=capabilities)

    def want(desired: Desired) -> None:
        pass

    host = Host(hello=hello, welcomed=welcomed, observe=observe, want=want, answer=answer, load=lambda: LOAD)
    return Link(on_this_machine(socket), host)


async def test_a_message_that_cannot_be_written_is_left_out_and_the_next_is_sent(place: Path) -> None:
    heard: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def controller(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(Welcome(protocol=1).model_dump_json())
        await connection.send(Desired(generation=1, desktops=[], images=[]).model_dump_json())
        async for text in connection:
            heard.put_nowait(text)

    async with unix_serve(controller, str(place / "hosts.sock")):
        link = _link(place / "hosts.sock")
        task = asyncio.create_task(link.run())
        try:
            async with asyncio.timeout(DEADLINE_S):
                assert isinstance(to_controller.validate_json(await heard.get()), Observed)
                link.send(HostEvent(desktop_id=None, kind="k", text="half of a pair: \ud800", at=AT))
                link.send(HostEvent(desktop_id=None, kind="k", text="whole", at=AT))
                last = to_controller.validate_json(await heard.get())
        finally:
            task.cancel()
            await asyncio.wait({task})
    assert isinstance(last, HostEvent)
    assert last.text == "whole"
