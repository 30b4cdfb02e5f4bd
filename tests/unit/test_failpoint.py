"""A process that reaches a place where a test wants it to end, or to stand still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = """
import sys, threading
from frazil import failpoint
def say(place):
    failpoint.reach(place)
    print(place, flush=True)
for place in sys.stdin.read().split():
    thread = threading.Thread(target=say, args=(place,))
    thread.start()
    thread.join()
"""
FORKED, STARTED = "server.forked", "server.started"


@contextmanager
def _comes_to(*places: str, order: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that comes to these places in turn, each in another thread."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "FRAZIL_FAILPOINT": order},
    )
    with process:
        assert process.stdin is not None
        process.stdin.write(" ".join(places).encode())
        process.stdin.close()
        try:
            yield process
        except BaseException:
            process.kill()  # it may stand still
            raise


def _said(process: subprocess.Popen[bytes]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.read().decode().split()


def _stopped_after(process: subprocess.Popen[bytes]) -> list[str]:
    """What it had said when it stood still."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    said = process.stdout.read() or b""
    os.set_blocking(process.stdout.fileno(), True)
    return said.decode().split()


def test_nothing_happens_unless_it_is_asked_for() -> None:
    with _comes_to(FORKED, order="") as process:
        assert _said(process) == [FORKED]
    assert process.returncode == 0


def test_it_ends_when_it_has_come_there_so_many_times() -> None:
    with _comes_to(FORKED, STARTED, FORKED, FORKED, order=f"{FORKED}:2") as process:
        assert _said(process) == [FORKED, STARTED]
    assert process.returncode == -signal.SIGKILL


def test_it_stands_still_there_and_goes_on_when_it_may() -> None:
    with _comes_to(FORKED, STARTED, FORKED, order=f"{STARTED}:1:stop") as process:
        assert _stopped_after(process) == [FORKED]
        process.send_signal(signal.SIGCONT)
        assert _said(process) == [STARTED, FORKED]
    assert process.returncode == 0


def test_a_file_gives_one_order_after_the_other(tmp_path: Path) -> None:
    order = tmp_path / "order"
    order.write_text(f"{FORKED}:2:stop\n")
    with _comes_to(*[FORKED] * 7, order=f"@{order}") as process:
        assert _stopped_after(process) == [FORKED]
        assert not order.exists()
        order.write_text(f"{FORKED}:3:stop\n")
        process.send_signal(signal.SIGCONT)
        assert _stopped_after(process) == [FORKED] * 3
        order.write_text(STARTED)  # it does not come there
        process.send_signal(signal.SIGCONT)
        assert _said(process) == [FORKED] * 3
    assert (process.returncode, order.exists()) == (0, True)
