"""The monitors of one display channel: parts of its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frazil.spice.display_channel import MonitorsConfigured
from frazil.viewer.screenshot import Box


@dataclass(frozen=True, slots=True)
class Head:
    """A monitor by its number, and what of the picture it shows."""

    number: int
    box: Box


def heads_of(told: MonitorsConfigured) -> tuple[Head, ...]:
    """Those that are on, by their numbers."""
    heads = [
        Head(head.monitor_id, Box(head.x, head.y, head.x + head.width, head.y + head.height))
        for head in told.heads
        if head.width and head.height
    ]
    return tuple(sorted(heads, key=lambda head: head.number))


def head_at(heads: Sequence[Head], x: int, y: int) -> Head | None:
    """The monitor that shows this place."""
    return next((head for head in heads if head.box.contains(x, y)), None)
