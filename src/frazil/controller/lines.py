"""How each session's line is, as its gateway said last. In memory: it is said again every few seconds."""

from __future__ import annotations

from collections.abc import Iterable

from frazil.wire.sessions import Line

FRESH_S = 15.0
"""Gateways tell every 5 s; what was not said three times is not known."""
KEPT_S = 60.0
"""A session of which none has spoken for so long has no viewer."""


class KnownLines:
    """`heard` is called from the event loop only; `of` may be called from any thread."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[Line, float]] = {}

    def heard(self, lines: Iterable[Line], *, now_s: float) -> None:
        """Take what a gateway says. `now_s` is on the monotonic clock, here and in `of`."""
        kept = {session_id: known for session_id, known in self._lines.items() if now_s - known[1] <= KEPT_S}
        self._lines = kept | {line.session_id: (line, now_s) for line in lines}

    def of(self, session_id: str, *, now_s: float) -> Line | None:
        """None when no gateway has said anything of it lately."""
        line, heard_s = self._lines.get(session_id, (None, now_s))
        return line if now_s - heard_s <= FRESH_S else None

    def fresh(self, *, now_s: float) -> list[Line]:
        """All of which a gateway has spoken lately."""
        return [line for line, heard_s in self._lines.values() if now_s - heard_s <= FRESH_S]

    def idle_s(self, session_id: str, *, now_s: float) -> tuple[float, float] | None:
        """For how long neither keyboard nor mouse were used when that was told, and how long ago it was told.

        None when no gateway has said anything of it lately, or does not tell such things.
        """
        line, heard_s = self._lines.get(session_id, (None, now_s))
        if line is None or line.idle_s is None or now_s - heard_s > FRESH_S:
            return None
        return line.idle_s, now_s - heard_s

    def ages_s(self, *, now_s: float) -> dict[str, float]:
        """Seconds since each session was spoken of, where that is less than `KEPT_S`."""
        return {one: now_s - heard_s for one, (_, heard_s) in self._lines.items() if now_s - heard_s <= KEPT_S}
