"""How long to wait before the next try at something outside."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from `first_s` up to `most_s`.

    Each wait is shortened by up to a half at random, so that many waiters do not come back at the same moment.
    """

    def __init__(self, *, first_s: float = 0.2, most_s: float = 10.0, dice: random.Random | None = None) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s
        self._dice = dice or random.Random()  # noqa: S311  # Spreads load; guards nothing.

    def next_s(self) -> float:
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, self._most_s)
        return wait_s * (0.5 + self._dice.random() / 2)

    def reset(self) -> None:
        """It worked: the next failure starts from the beginning."""
        self._next_s = self._first_s
