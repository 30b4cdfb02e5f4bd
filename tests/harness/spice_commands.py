"""`frazil spice …` in this process, on fake desktops in a thread of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from frazil.cli.exits import Exit
from frazil.cli.main import run
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.waiting import until


@contextmanager
def serving(fake: SpiceDesktop) -> Iterator[str]:
    """The address of a server in a thread of its own."""
    address: Future[str] = Future()

    async def serve() -> None:
        server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(end.set))
        address.set_result("spice://127.0.0.1:{1}".format(*server.sockets[0].getsockname()))
        await end.wait()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    ends: list[object] = []
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield address.result(10)
    finally:
        for end in ends:
            assert callable(end)
            end()
        thread.join(10)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """What a command says to a program."""
    assert run(["spice", *words, "--json"]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


@contextmanager
def ctrl_c(when: Callable[[], bool]) -> Iterator[None]:
    """This process gets Ctrl-C as soon as that is so, for the command that runs in the block."""

    def press() -> None:
        until(when, "the command has come so far")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    yield
    thread.join(60)
