"""A viewer of a session came or went: by its ticket, by what its gateway says, by what no gateway says any more."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.services import finding, journal
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, sessions
from frazil.controller.store.rows import SessionRow
from frazil.model.desktop import Power
from frazil.wire.sessions import LinkState


def set_link(ctx: Context, tx: sa.Connection, row: SessionRow, state: LinkState) -> None:
    """A viewer of an open session came or went. The desktop of one who came is awake, also if it was being paused."""
    now = ctx.clock.now()
    sessions.set_connected(tx, row.id, connected=state.connected, remote_address=state.remote_address, now=now)
    if state.connected and finding.desktop(tx, row.desktop_id).power is Power.PAUSED:
        desktops.want(tx, row.desktop_id, power=Power.RUNNING, graceful=False, now=now)
    if row.connected == state.connected:
        return
    said = "connected" if state.connected else "disconnected"
    text = f"A viewer {said}." + (f" {state.reason}" if state.reason else "")
    by = journal.owner(tx, row, remote_address=state.remote_address)
    journal.note(ctx, tx, f"session.{said}", text, by=by, desktop_id=row.desktop_id, outcome="seen")
