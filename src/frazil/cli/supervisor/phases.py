"""How long each phase of a start took: kept, and written as one JSON line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frazil.model.clock import Clock


class Phases:
    """The phases of one start, in seconds."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic_s()
        self.taken_s: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Time the block."""
        began = self._clock.monotonic_s()
        yield
        self.note(name, self._clock.monotonic_s() - began)

    def note(self, name: str, seconds: float) -> None:
        self.taken_s[name] = round(seconds, 1)

    def total_s(self) -> float:
        return round(self._clock.monotonic_s() - self._began, 1)

    def write(self, path: Path) -> None:
        """Append them as one JSON object on a line of its own."""
        record = {"at": self._clock.now().isoformat(), "total_s": self.total_s(), "phases": self.taken_s}
        with path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")
