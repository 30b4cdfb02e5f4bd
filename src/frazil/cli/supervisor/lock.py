"""One `frazil up` at a time for each installation."""

from __future__ import annotations

import fcntl
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frazil.model.errors import Conflict
from frazil.settings import Settings


def path_of(settings: Settings) -> Path:
    """The lock file: held by the living `frazil up`, whose process id stands in it."""
    return settings.run_dir / "supervisor.lock"


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Hold the lock; Conflict when another one does."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    with path_of(settings).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Conflict(
                f"Frazil is up already (process {holder(settings)}).", remedy="Stop it with: frazil down"
            ) from exc
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()  # the file stays: removing it would let two hold two files of the same name


def holder(settings: Settings) -> int | None:
    """The process id of the living `frazil up`, or None."""
    path = path_of(settings)
    if not path.exists():
        return None
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = file.read().strip()
            return int(text) if text.isdigit() else None
    return None


def end(pid: int, *, timeout_s: float) -> bool:
    """Ask a process to end and wait for it; False when it did not in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        readable, _, _ = select.select([descriptor], [], [], timeout_s)
        return bool(readable)
    finally:
        os.close(descriptor)
