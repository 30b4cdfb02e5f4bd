"""Displays are handed over as descriptors; nonsense gets nothing, in bounded time."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from frazil.model.desktop import Epoch
from frazil.model.errors import NotFound
from frazil.server import display
from frazil.wire.display import LINE_MAX_BYTES, DisplayAnswer, DisplayRequest
from frazil.wire.hostlink import EpochField

REQUEST = DisplayRequest(desktop_id="d1", epoch=EpochField(generation=1, counter=2))


async def open_display(desktop_id: str, epoch: Epoch) -> int:
    if (desktop_id, epoch) != ("d1", Epoch(1, 2)):
        raise NotFound("This desktop is not on this host.", remedy="Open it again from the portal.")
    read, write = os.pipe()
    os.write(write, b"picture")
    os.close(write)
    return read


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "display.sock"
    listener = display.bind(path)
    serving = asyncio.create_task(display.serve(listener, open_display))
    yield path
    serving.cancel()
    listener.close()


def _ask(path: Path, line: bytes) -> tuple[bytes, list[int]]:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        peer.sendall(line)
        answer, fds, _flags, _address = socket.recv_fds(peer, 65536, 4)
        return answer, fds


async def test_a_display_comes_as_a_descriptor(path: Path) -> None:
    answer, fds = await asyncio.to_thread(_ask, path, REQUEST.model_dump_json().encode() + b"\n")
    assert DisplayAnswer.model_validate_json(answer).ok
    [fd] = fds
    assert os.read(fd, 100) == b"picture"
    os.close(fd)


async def test_a_refusal_comes_with_its_reason_and_no_descriptor(path: Path) -> None:
    other = REQUEST.model_copy(update={"desktop_id": "d2"})
    line, fds = await asyncio.to_thread(_ask, path, other.model_dump_json().encode() + b"\n")
    answer = DisplayAnswer.model_validate_json(line)
    assert not answer.ok
    assert fds == []
    assert answer.failure is not None
    assert answer.failure.code == "not-found"
    assert answer.failure.remedy


@pytest.mark.parametrize("line", [b"nonsense\n", b"{}\n", b"x" * (LINE_MAX_BYTES + 1)], ids=["text", "empty", "long"])
async def test_nonsense_is_hung_up_on(path: Path, line: bytes) -> None:
    def ask() -> tuple[bytes, list[int]]:
        try:
            return _ask(path, line)
        except ConnectionResetError:
            return b"", []

    assert await asyncio.to_thread(ask) == (b"", [])


async def test_one_who_says_nothing_holds_up_nobody(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        answer, fds = await asyncio.to_thread(_ask, path, REQUEST.model_dump_json().encode() + b"\n")
    assert DisplayAnswer.model_validate_json(answer).ok
    for fd in fds:
        os.close(fd)


def test_the_socket_is_for_root_and_the_directorys_group(tmp_path: Path) -> None:
    listener = display.bind(tmp_path / "display.sock")
    assert (tmp_path / "display.sock").stat().st_mode & 0o777 == 0o660
    listener.close()
