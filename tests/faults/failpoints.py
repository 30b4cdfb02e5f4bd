"""When each process is killed: every place of `frazil.failpoint.PLACES`, early and in the middle of twenty."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class During(Enum):
    """What is going on when the place is reached for the n-th time."""

    MAKING = "twenty desktops are made"
    OPENING = "twenty desktops are made and people open theirs"
    LINKING = "twenty desktops are made and viewers link"
    DELETING = "twenty desktops are deleted"
    FORKING = "a template is frozen and twenty desktops are forked from it"


@dataclass(frozen=True, slots=True)
class Death:
    """A process kills itself when it reaches `place` for the `nth` time since its start."""

    place: str
    nth: int
    during: During = During.MAKING

    @property
    def process(self) -> str:
        return self.place.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.place}:{self.nth}-{self.during.name.lower()}"


DEATHS = (
    Death("controller.assigned", 1, During.OPENING),
    Death("controller.created", 1),
    Death("controller.observed", 30),
    Death("controller.planned", 12),
    Death("controller.sent", 2),
    Death("gateway.routed", 1, During.LINKING),
    Death("gateway.redeemed", 1, During.LINKING),
    Death("gateway.linked", 2, During.LINKING),
    Death("server.desired", 2),
    Death("server.defined", 11),
    Death("server.overlay-made", 20),
    Death("server.started", 12),
    Death("server.reported", 25),
    Death("server.template-booted", 1, During.FORKING),
    Death("server.template-warmed", 1, During.FORKING),
    Death("server.template-freezing", 1, During.FORKING),
    Death("server.template-frozen", 1, During.FORKING),
    Death("server.template-probed", 1, During.FORKING),
    Death("server.template-kept", 1, During.FORKING),
    Death("server.fork-created", 9, During.FORKING),
    Death("server.fork-loaded", 13, During.FORKING),
    Death("server.forked", 9, During.FORKING),
    Death("server.identified", 5, During.FORKING),
    Death("server.signed-on", 1, During.OPENING),
    Death("server.domain-stopped", 13, During.DELETING),
    Death("server.disk-removed", 7, During.DELETING),
    Death("server.absent", 9, During.DELETING),
)
"""At least one for each place; a new place without one fails a test."""
