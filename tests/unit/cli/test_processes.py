"""How one process is run: told ready, stopped by a signal, even when its work loses the cancellation."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from frazil.cli import processes


async def test_a_signal_ends_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(30):
        await processes._until_stopped(work())
    assert ended.is_set()


async def test_work_that_loses_the_cancellation_ends_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CANCEL_AGAIN_S", 0.05)
    lost = 0

    async def breaks_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError from None

    async def work() -> None:
        nonlocal lost
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(breaks_when_cancelled())
                    await asyncio.Event().wait()
            except* ConnectionResetError:
                lost += 1
            await asyncio.sleep(0.2)

    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(30):
        await processes._until_stopped(work())
    assert lost >= 1


def test_ready_is_told_over_the_pipe_and_to_the_service_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        processes.tell_ready(writer)
        assert manager.recv(100) == b"READY=1"
    assert os.read(reader, 1) == b"\n"
    assert os.read(reader, 1) == b"", "closed: nobody else holds it"
    os.close(reader)
