"""Named places where a test may kill the process, or stop it.

`reach("server.overlay-made")` does nothing unless the environment says otherwise:
``FRAZIL_FAILPOINT=server.overlay-made:3`` ends the process with SIGKILL when the place is reached the third
time. ``server.overlay-made:3:stop`` stops it there with SIGSTOP: something else can be killed in that very moment, and
SIGCONT lets the process go on. ``FRAZIL_FAILPOINT=@FILE`` takes that from a file whenever there is one, counts from
then on, and removes the file when it has come to it: a process that runs is given one order after the other.

Every place is listed in `PLACES`, so that tests can enumerate them; an unlisted name is a bug of ours.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path

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
    "server.fork-created",
    "server.fork-loaded",
    "server.forked",
    "server.identified",
    "server.overlay-made",
    "server.reported",
    "server.signed-on",
    "server.started",
    "server.template-booted",
    "server.template-freezing",
    "server.template-frozen",
    "server.template-kept",
    "server.template-probed",
    "server.template-warmed",
)

_reached: Counter[str] = Counter()


def reach(place: str) -> None:
    """Say that `place` is reached; die or stop there if a test asked for it. From any thread."""
    assert place in PLACES, place
    wanted = os.environ.get("FRAZIL_FAILPOINT")
    if not wanted:
        return
    file = Path(wanted[1:]) if wanted.startswith("@") else None
    if file is not None:
        try:
            wanted = file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return
    name, nth, how = (*wanted.split(":"), "", "")[:3]
    if name != place:
        return
    _reached[place] += 1
    if _reached[place] != int(nth or 1):
        return
    if file is not None:
        file.unlink()
        del _reached[place]
    if how == "stop":
        # Sent to this thread: the process stops with it. Sent to the process, it may go on until another one sees it.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
