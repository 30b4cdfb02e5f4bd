"""Paused QEMUs rest: the kernel may keep their timers late (docs/adr/0131-paused-desktops-rest.md).

A QEMU looks at its screen 33 times a second (GUI_REFRESH_INTERVAL_DEFAULT of its ui/console.h), paused or not. How late
a thread's timers may be is its timer slack (prctl(2), PR_SET_TIMERSLACK), which proc(5) lets others set; QEMU's main
loop has asked for none. What comes over a socket, and each signal, wakes it at once all the same. A rest begins when
the last that the desktop has drawn was shown to whoever looks on, which such a timer does.
"""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from frazil.server.density import measuring

log = structlog.get_logger(__name__)

AFTER_S = 1.0
REST_NS = 3_000_000_000
EXACT_NS = 1
"""What QEMU gives itself (`init_clocks` of its util/qemu-timer.c)."""


class Resting:
    """One host's. Called in pools' threads, for each desktop in one at a time."""

    def __init__(self, proc: Path = measuring.PROC, *, after_s: float = AFTER_S) -> None:
        self._proc = proc
        self._after_s = after_s
        self._lock = threading.Lock()
        self._coming: dict[str, threading.Timer] = {}
        self._pids: dict[str, int] | None = None
        """Whose QEMU rests; None until it was looked whose an earlier life of this process left so."""

    def begin(self, desktop_id: str) -> None:
        """Let a paused desktop's QEMU rest soon, where the kernel allows it."""
        timer = threading.Timer(self._after_s, lambda: self._rest(desktop_id, timer))
        timer.daemon = True
        with self._lock:
            self._forget_coming(desktop_id)
            self._coming[desktop_id] = timer
        timer.start()

    def end(self, desktop_id: str) -> None:
        """Have its timers be exact again; nothing happens where it does not rest."""
        with self._lock:
            self._forget_coming(desktop_id)
            pid = self._known().pop(desktop_id, None)
            if pid is not None and self._get(pid) == REST_NS:  # else it ended, and its number is another's by now
                self._set(pid, EXACT_NS)

    def _rest(self, desktop_id: str, timer: threading.Timer) -> None:
        found = measuring.processes(self._proc)
        process = found.get(desktop_id)
        with self._lock:
            if self._coming.get(desktop_id) is not timer:
                return  # it goes on
            del self._coming[desktop_id]
            known = {one: pid for one, pid in self._known().items() if one in found and found[one].pid == pid}
            if process is not None and self._set(process.pid, REST_NS):
                known[desktop_id] = process.pid
            self._pids = known

    def _forget_coming(self, desktop_id: str) -> None:
        timer = self._coming.pop(desktop_id, None)
        if timer is not None:
            timer.cancel()

    def _known(self) -> dict[str, int]:
        if self._pids is None:
            found = measuring.processes(self._proc)
            self._pids = {one: process.pid for one, process in found.items() if self._get(process.pid) == REST_NS}
        return self._pids

    def _get(self, pid: int) -> int:
        try:
            return int(self._slack(pid).read_text())
        except OSError:  # it ended
            return EXACT_NS

    def _set(self, pid: int, slack_ns: int) -> bool:
        try:
            self._slack(pid).write_text(str(slack_ns))
        except OSError as exc:
            log.debug("no-rest", pid=pid, why=str(exc))  # it ended, or this process may not
            return False
        return True

    def _slack(self, pid: int) -> Path:
        return self._proc / str(pid) / "timerslack_ns"
