"""Writing to the history what desktops have become, of many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from frazil.controller.planning import Announce
from frazil.controller.services import journal, words
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, pools
from frazil.model.desktop import Phase


def announce(ctx: Context, tx: sa.Connection, actions: Sequence[Announce]) -> None:
    """Each desktop is named once. One of which something else was told since the plan was made is left out.

    `actions`: `desktops.AT_ONCE` at most.
    """
    told = desktops.announced(tx, [action.desktop_id for action in actions])
    now = ctx.clock.now()
    alike: defaultdict[tuple[Phase, bool, bool], list[str]] = defaultdict(list)
    starts: defaultdict[str, list[float]] = defaultdict(list)
    texts: defaultdict[Phase, dict[str, str]] = defaultdict(dict)
    for action in actions:
        before, pool_id = told.get(action.desktop_id, (None, ""))
        if before is not action.before:
            continue
        took = ""
        if action.seconds is not None:
            took = f" after {action.seconds:.1f} s"
            starts[pool_id].append(action.seconds)
        alike[action.after, action.seconds is not None, action.restart_clock].append(action.desktop_id)
        texts[action.after][action.desktop_id] = f"{words.PHASE_TEXT[action.after]}{took}."
    for (phase, measured, restart_clock), ids in alike.items():
        desktops.announce(tx, ids, phase=phase, measured=measured, clock_from=now if restart_clock else None)
    for pool_id, seconds in starts.items():
        pools.add_starts(tx, pool_id=pool_id, seconds=seconds, now=now)
    for phase, of_phase in texts.items():
        if phase is not Phase.FAILED:  # its own event says why
            journal.note_each(ctx, tx, f"desktop.{phase.value}", of_phase, outcome="seen")
