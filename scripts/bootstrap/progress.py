"""What is being done, how far it is, and how long it will still take, on the standard error.

On a terminal every running step has a line with a bar that is drawn anew; elsewhere a line is written when a step
begins, every 20 s, and when it ends.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

BAR_WIDTH = 24
QUIET_INTERVAL_S = 20.0


class Failed(Exception):
    """A step failed; the text says what happened and what to do, for a person."""


class Step:
    """One running step. `fraction` (0 to 1) comes from whoever does it; without it the usual time is the guide."""

    def __init__(self, title: str, *, usual_s: float) -> None:
        self.title = title
        self.usual_s = usual_s
        self.began = time.monotonic()
        self.told: float | None = None

    def tell(self, fraction: float) -> None:
        """Say how much is done; never goes back."""
        self.told = max(self.told or 0.0, min(fraction, 1.0))

    def fraction(self) -> float:
        if self.told is not None:
            return self.told
        return min(0.97, (time.monotonic() - self.began) / self.usual_s)

    def left_s(self) -> float:
        """Seconds still to go: from what is done when enough is, else from the usual time."""
        elapsed = time.monotonic() - self.began
        if self.told is not None and self.told > 0.1:
            return elapsed * (1 - self.told) / self.told
        return max(1.0, self.usual_s - elapsed)

    def line(self) -> str:
        done = self.fraction()
        bar = "#" * round(done * BAR_WIDTH)
        return f"{self.title:<32} [{bar:<{BAR_WIDTH}}] {done:4.0%}  about {spoken(self.left_s())} left"


def spoken(seconds: float) -> str:
    """A duration as people say it: "40 s", "3 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


class Board:
    """All running steps, drawn by one thread. `phases` holds the seconds of each that ended."""

    def __init__(self, out: TextIO, *, history: Path) -> None:
        self.phases: dict[str, float] = {}
        self._out = out
        self._live = out.isatty()
        self._usual = _last_times(history)
        self._steps: list[Step] = []
        self._drawn = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._drawer = threading.Thread(target=self._draw_until_closed, daemon=True)
        self._drawer.start()

    @contextmanager
    def step(self, title: str, *, usual_s: float) -> Iterator[Step]:
        """Show `title` while the block runs. `usual_s` is a first guess; the last time on this machine is better."""
        step = Step(title, usual_s=self._usual.get(title, usual_s))
        with self._lock:
            self._steps.append(step)
            if not self._live:
                self._write_line(f"{title} (usually {spoken(step.usual_s)}) ...")
        ended = "failed"
        try:
            yield step
            ended = "done"
        finally:
            took = time.monotonic() - step.began
            with self._lock:
                self._wipe()
                self._steps.remove(step)
                self._write_line(f"{title:<32} {ended} in {spoken(took)}")
                self._draw()
            if ended == "done":
                self.phases[title] = round(took, 1)

    def close(self) -> None:
        """Stop drawing."""
        self._closed.set()
        self._drawer.join()

    def _draw_until_closed(self) -> None:
        while not self._closed.wait(0.2 if self._live else QUIET_INTERVAL_S):
            with self._lock:
                self._wipe()
                self._draw()
        with self._lock:
            self._wipe()

    def _wipe(self) -> None:
        if self._live and self._drawn:
            self._out.write(f"\x1b[{self._drawn}F\x1b[J")
        self._drawn = 0

    def _draw(self) -> None:
        if not self._live and not self._closed.is_set():
            for step in self._steps:
                if time.monotonic() - step.began >= QUIET_INTERVAL_S:
                    self._write_line(step.line())
            return
        for step in self._steps:
            self._write_line(step.line())
        self._drawn = len(self._steps) if self._live else 0

    def _write_line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def counted(step: Step, *, total: int, matches: Callable[[str], bool], share: float) -> Callable[[str], None]:
    """A reader of a command's output: a line that `matches` is one of `total` parts of the first `share` of `step`."""
    seen = 0

    def read(line: str) -> None:
        nonlocal seen
        if matches(line):
            seen += 1
            step.tell(share * min(1.0, seen / max(1, total)))

    return read


def _last_times(history: Path) -> dict[str, float]:
    """How long each phase took the last time, by its title."""
    times: dict[str, float] = {}
    if not history.exists():
        return times
    for line in history.read_text(encoding="utf-8").splitlines():
        try:
            phases = json.loads(line)["phases"]
        except (ValueError, KeyError):
            continue  # a line cut short by a full disk only costs an estimate
        times.update({title: float(seconds) for title, seconds in phases.items() if seconds > 1})
    return times
