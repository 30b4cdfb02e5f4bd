"""How good a host is for a desktop: points for four things, a hundred in all. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TEMPLATE_MOST = 40
ROOM_MOST = 30
PROCESSORS_MOST = 20
APART_MOST = 10


@dataclass(frozen=True, slots=True)
class Apart:
    """A pool is kept apart by the label `by`, and hosts where that is `value` (empty: those without it) had the fewest
    of its desktops, `there`, of all that could take one more."""

    by: str
    value: str
    there: int


@dataclass(frozen=True, slots=True)
class Score:
    """Points, and what they are for.

    template: whether the desktop's frozen template is there, or it needs none. room: MiB of memory left after it, next
    to what the roomiest host has. processors: the share of them that is not busy. apart: few other desktops of its pool
    are there, so that a host's loss takes few of them; it counts less the more there are. has_template: None for one
    that boots.

    In a pool that is packed, room is what others have taken already, processors count until all are busy, and apart is
    how many of the pool are there.
    """

    template: float
    room: float
    processors: float
    apart: float
    has_template: bool | None
    left_mib: int
    busy: float
    together: int
    pack: bool = False

    @property
    def total(self) -> float:
        return self.template + self.room + self.processors + self.apart


def score(
    *, has_template: bool | None, left_mib: int, roomiest_mib: int, busy: float, together: int, pack: bool = False
) -> Score:
    """left_mib: after the desktop. roomiest_mib: what the roomiest host has before it. busy: 1 is all processors.

    together: how many other desktops of its pool are there.
    """
    room = _share(left_mib, roomiest_mib)
    idle = 1 - min(max(busy, 0.0), 1.0)
    apart = 1 / (1 + together)
    if pack:
        room, idle, apart = 1 - room, float(idle > 0), 1 - apart
    return Score(
        template=0 if has_template is False else TEMPLATE_MOST,
        room=ROOM_MOST * room,
        processors=PROCESSORS_MOST * idle,
        apart=APART_MOST * apart,
        has_template=has_template,
        left_mib=left_mib,
        busy=busy,
        together=together,
        pack=pack,
    )


def _share(part: int, whole: int) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0
