"""Where a desktop's monitors stand, as its agent is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from frazil.model.errors import InvalidInput
from frazil.spice.agent_messages import Monitor, MonitorsConfig, MonitorsFlag

SIZE_MAX = 1 << 14
"""Pixels of a side."""
DEPTH = 32
Size: TypeAlias = tuple[int, int]
Place: TypeAlias = tuple[int, int]
"""The number of a display channel, and that of a monitor on it."""


def resized(layout: Sequence[tuple[int, int, Size]], which: Place, size: Size) -> MonitorsConfig:
    """`layout` has display, monitor and size of each; one gets another size, or is turned on as its display's last.

    Raises InvalidInput for a display or monitor that there is not.
    """
    sizes = {(display, monitor): old for display, monitor, old in layout}
    display, monitor = which
    if which not in sizes and (display, monitor - 1) not in sizes:
        there = ", ".join(str(number) for number in sorted({number for number, _, _ in layout}))
        raise InvalidInput(
            f"There is no monitor {monitor} on display {display}; displays are: {there}.", field="display"
        )
    sizes[which] = size
    monitors: list[Monitor] = []
    x = 0
    for _, (width, height) in sorted(sizes.items()):
        monitors.append(Monitor(height=height, width=width, depth=DEPTH, x=x, y=0))
        x += width
    flags = MonitorsFlag.USE_POSITIONS if len(monitors) > 1 else MonitorsFlag(0)
    return MonitorsConfig(count=len(monitors), flags=flags, monitors=tuple(monitors))
