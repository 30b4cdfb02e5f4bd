"""Writing to the history, in the transaction of what happened."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.services.context import Context
from frazil.controller.store import events, people
from frazil.controller.store.rows import EventRow, SessionRow
from frazil.wire.rest import Event


def note(
    ctx: Context,
    tx: sa.Connection,
    kind: str,
    text: str,
    *,
    by: Identity | None = None,
    outcome: str = "done",
    desktop_id: str | None = None,
) -> None:
    """`by` is who did it; None when Frazil did."""
    events.insert(
        tx,
        id=ctx.ids.new_id(),
        at=ctx.clock.now(),
        kind=kind,
        text=text,
        outcome=outcome,
        user_id=by.user_id if by else None,
        user_name=by.name if by else None,
        desktop_id=desktop_id,
        remote_address=by.remote_address if by else None,
    )


def note_each(ctx: Context, tx: sa.Connection, kind: str, texts: Mapping[str, str], *, outcome: str = "done") -> None:
    """The same kind of thing, done by Frazil to many desktops: the text for each, by its id."""
    told = [(ctx.ids.new_id(), desktop_id, text) for desktop_id, text in texts.items()]
    if told:
        events.insert_of_desktops(tx, told, at=ctx.clock.now(), kind=kind, outcome=outcome)


def owner(tx: sa.Connection, session: SessionRow, *, remote_address: str) -> Identity:
    """Whose session it is, for what happens to it from outside; the name is empty when the account is gone."""
    user = people.find(tx, session.user_id)
    name = user.name if user is not None else ""
    return Identity(user_id=session.user_id, name=name, role="user", remote_address=remote_address)


def model(row: EventRow) -> Event:
    return Event.model_validate(
        {
            "id": row.id,
            "at": row.at,
            "kind": row.kind,
            "text": row.text,
            "user_id": row.user_id,
            "user_name": row.user_name,
            "desktop_id": row.desktop_id,
            "remote_address": row.remote_address,
            "outcome": row.outcome,
        }
    )
