"""What desktops of one kind have been seen to cost, and what one more is therefore reckoned at. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

REMEMBERED = 64
"""Desktops of a kind that are remembered, the newest: those that ended too, as the next will be like them."""
TRUSTED = 5
"""So many desktops must have been measured before the prior says nothing any more."""


def ninth_decile(values: list[int]) -> int:
    """The smallest value that at least nine of ten values do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * 9 // 10) - 1] if ordered else 0


class Costs:
    """Measured figures by kind and desktop; a kind is whatever the caller tells kinds apart by."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, OrderedDict[str, int]] = {}

    def saw(self, kind: Hashable, desktop_id: str, mib: int) -> None:
        """A desktop takes so much now; an earlier figure of the same desktop is forgotten."""
        seen = self._seen.setdefault(kind, OrderedDict())
        seen[desktop_id] = mib
        seen.move_to_end(desktop_id)
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)

    def measured(self, kind: Hashable) -> int:
        """Of how many desktops the kind's cost is known."""
        return len(self._seen.get(kind, ()))

    def each(self, kind: Hashable, *, prior: int) -> int:
        """What one more is reckoned at: nine of ten cost no more. Until enough were measured, at least the prior.

        A fresh fork has written little yet, so a few small figures must not outvote the prior.
        """
        seen = list(self._seen.get(kind, OrderedDict()).values())
        known = ninth_decile(seen)
        return max(known, prior, 1) if len(seen) < TRUSTED else max(known, 1)
