"""A long command is stopped whole, and its last words are kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from frazil.model.errors import HostError, OutOfSpace
from frazil.server.images.command import Cancelled, run
from tests.harness.processes import command
from tests.harness.waiting import until


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BinaryIO]:
    with (tmp_path / "log").open("wb") as file:
        yield file


def test_lines_and_input(log: BinaryIO) -> None:
    lines: list[str] = []
    run(["cat"], what="Copying", log=log, cancel=threading.Event(), on_line=lines.append, stdin=b"a\r(50)\rb\n")
    assert lines == ["a", "(50)", "b"]


def test_an_error_carries_the_last_words(log: BinaryIO) -> None:
    with pytest.raises(HostError, match="the reason") as caught:
        run(["sh", "-c", "echo the reason; exit 3"], what="Trying", log=log, cancel=threading.Event())
    assert log.name in caught.value.remedy
    with pytest.raises(OutOfSpace):
        run(["sh", "-c", "echo x: No space left on device; exit 1"], what="Trying", log=log, cancel=threading.Event())


def test_cancelling_ends_children_too(log: BinaryIO, tmp_path: Path) -> None:
    cancel = threading.Event()
    pid = tmp_path / "pid"

    def started(_: str) -> None:
        cancel.set()

    script = f"sleep 600 & echo $! > {pid}; echo started; wait"
    with pytest.raises(Cancelled):
        run(["sh", "-c", script], what="Sleeping", log=log, cancel=cancel, on_line=started)
    child = int(pid.read_text())

    def gone() -> bool:
        """It was told to, and the kernel does so in its time."""
        return command(child) == []  # also what is left of it until its parent asks

    assert until(gone, "the child ends", timeout_s=10)


def test_time_is_bounded(log: BinaryIO) -> None:
    with pytest.raises(HostError, match="more than"):
        run(["sleep", "60"], what="Sleeping", log=log, cancel=threading.Event(), timeout_s=0.3)
