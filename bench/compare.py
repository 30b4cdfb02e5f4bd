"""How much more one way takes than another, and how sure that is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import fmean, quantiles

Values = Sequence[float]
DRAWS = 1000
KEYS_EACH = 5


def added_percent(
    pairs: Sequence[tuple[Values, Values]], *, middle: Callable[[Values], float] = fmean, both: float = 0.0
) -> dict[str, float]:
    """How many percent the middle of the second of each pair is above the first one's, over all pairs (geometrically).

    `both` is added to each middle. `low` and `high`: between them it is in 90 of 100 draws from the same values with
    replacement.
    """
    chance = random.Random(1)

    def percent(of: Sequence[tuple[Values, Values]]) -> float:
        return (math.exp(fmean(math.log((middle(b) + both) / (middle(a) + both)) for a, b in of)) - 1) * 100

    drawn = [
        percent([(chance.choices(a, k=len(a)), chance.choices(b, k=len(b))) for a, b in pairs]) for _ in range(DRAWS)
    ]
    cuts = quantiles(drawn, n=20, method="inclusive")
    found = {"percent": percent(pairs), "low": cuts[0], "high": cuts[18]}
    return {name: round(value, 1) for name, value in found.items()}


def together(values: Values) -> list[float]:
    """The means of some that follow each other, which are not independent: they met the same queue."""
    return [fmean(values[at : at + KEYS_EACH]) for at in range(0, len(values), KEYS_EACH)]


def at_most(found: dict[str, float], limit: float) -> bool | None:
    """Whether what `added_percent` found keeps to a limit; None where the values don't tell."""
    if found["high"] <= limit:
        return True
    return False if found["low"] > limit else None
