"""Looking at processes by what the kernel tells of them (proc(5))."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    """Every living process that `pid` started, and they, nearest first."""
    waiting = [pid]
    while waiting:
        one = waiting.pop(0)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{one}/task").iterdir():
                for child in map(int, (task / "children").read_text().split()):
                    yield child
                    waiting.append(child)


def command(pid: int) -> list[str]:
    """The process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def end(pid: int, number: signal.Signals, *, timeout_s: float = 60) -> None:
    """Send a signal and wait until the process is gone. AssertionError when it is not in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
        readable, _, _ = select.select([descriptor], [], [], timeout_s)
        assert readable, f"process {pid} did not end within {timeout_s:g} s after {number.name}"
    finally:
        os.close(descriptor)
