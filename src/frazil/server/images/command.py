"""Runs a long command so that it can always be stopped whole, and keeps its words."""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from frazil.model.errors import HostError, OutOfSpace

# Killed by the kernel when the thread that started it ends, however that ends (prctl(2), PR_SET_PDEATHSIG).
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
_CANCEL_LOOK_S = 0.2
_END_WAIT_S = 10.0
_KEPT_LINES = 15
_FULL = "No space left on device"


class Cancelled(HostError):
    """The caller asked to stop. Nothing half made was left behind."""

    code = "cancelled"


def run(
    command: Sequence[str],
    *,
    what: str,
    log: BinaryIO,
    cancel: threading.Event,
    on_line: Callable[[str], None] = lambda _: None,
    stdin: bytes = b"",
    pass_fds: Sequence[int] = (),
    timeout_s: float = math.inf,
) -> None:
    """Run `command` to its end; both its streams go to `log` and, line by line, to `on_line`.

    Blocks. It runs as leader of a session of its own, which is killed when this is left in any other way than by
    its own end. what: "Installing the packages", for the error. pass_fds: descriptors that it keeps.

    Raises Cancelled, OutOfSpace, or HostError with its last lines.
    """
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    full = False
    log.write(f"\n$ {' '.join(command)}\n".encode())
    with ExitStack() as undo:
        try:
            process = subprocess.Popen(
                [*_DIES_WITH_US, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True, pass_fds=tuple(pass_fds),
            )  # fmt: skip
        except FileNotFoundError as exc:
            raise HostError(
                f"{what} failed: {_DIES_WITH_US[0]} is not installed.",
                remedy="`frazil doctor` names the missing packages.",
            ) from exc
        undo.callback(_end, process)
        assert process.stdin is not None
        assert process.stdout is not None
        undo.callback(process.stdout.close)
        threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
        os.set_blocking(process.stdout.fileno(), False)
        selector = undo.enter_context(selectors.DefaultSelector())
        selector.register(process.stdout, selectors.EVENT_READ)
        rest = b""
        deadline = time.monotonic() + timeout_s
        while True:
            if time.monotonic() > deadline:
                raise HostError(f"{what} took more than {timeout_s:.0f} s and was stopped.")
            if cancel.is_set():
                raise Cancelled(f"{what} was stopped.")
            if not selector.select(_CANCEL_LOOK_S):
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            log.write(data)
            log.flush()
            *lines, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
            for raw in lines:
                text = raw.decode("utf-8", "replace")
                full = full or _FULL in text
                if text.strip():
                    last.append(text)
                on_line(text)
        code = process.wait()
    if code == 0:
        return
    words = "\n".join(last)
    if full:
        raise OutOfSpace(
            f"{what} failed: the disk is full.",
            remedy="Make room there, or put Frazil's state on a larger file system.",
        )
    raise HostError(
        f"{what} failed (exit code {code}). Its last words:\n{words}", remedy=f"All of it is in {_name(log)}."
    )


def _feed(pipe: BinaryIO, data: bytes) -> None:
    try:
        with pipe:
            pipe.write(data)
    except BrokenPipeError:
        return  # it did not want to read; its exit code tells whether that is an error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group, whether or not its leader still lives."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=_END_WAIT_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _name(log: BinaryIO) -> str:
    return str(Path(log.name))
