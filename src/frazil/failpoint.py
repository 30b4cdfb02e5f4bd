"""Named places where a test may kill the process.

`reach("server.overlay-made")` does nothing unless the environment says otherwise:
``FRAZIL_FAILPOINT=server.overlay-made:3`` ends the process with SIGKILL when the place is reached the third
time. Every place is listed in `PLACES`, so that tests can enumerate them; an unlisted name is a bug of ours.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

PLACES: tuple[str, ...] = (
    "controller.assigned",
    "controller.created",
    "controller.observed",
    "controller.planned",
    "controller.sent",
    "gateway.linked",
    "gateway.redeemed",
    "gateway.routed",
    "server.absent",
    "server.defined",
    "server.desired",
    "server.disk-removed",
    "server.domain-stopped",
    "server.forked",
    "server.identified",
    "server.overlay-made",
    "server.reported",
    "server.signed-on",
    "server.started",
    "server.template-booted",
    "server.template-frozen",
    "server.template-kept",
)

_reached: Counter[str] = Counter()


def reach(place: str) -> None:
    """Say that `place` is reached; die there if a test asked for it."""
    assert place in PLACES, place
    wanted = os.environ.get("FRAZIL_FAILPOINT")
    if not wanted:
        return
    name, _, nth = wanted.partition(":")
    if name != place:
        return
    _reached[place] += 1
    if _reached[place] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
