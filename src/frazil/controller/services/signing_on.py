"""Who is signed on in which desktop, with a token that is the same as long as session, placement and attempt are.

The token is derived, not kept: sending what is wanted of a host again sends the same one, and the guest takes it once.
A guest takes tokens from its own host only, so a token is of no use to anybody who has no link to that host.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import sqlalchemy as sa

from frazil.controller.services import release
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, meta, people, sessions
from frazil.controller.store.rows import DesktopRow, SessionRow
from frazil.model.desktop import Epoch, Power
from frazil.wire.hostlink import DesktopObservation, Person


def token(key: str, session_id: str, desktop_id: str, epoch: Epoch, attempt: int) -> str:
    """One token for each sign-on: 32 bytes, URL-safe."""
    what = f"sign-on/{session_id}/{desktop_id}/{epoch.generation}.{epoch.counter}/{attempt}"
    mac = hmac.new(key.encode(), what.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def persons(tx: sa.Connection, rows: list[DesktopRow]) -> dict[str, Person]:
    """The person of each of these desktops that has an open session, by the desktop's id."""
    key = meta.sign_on_key(tx)
    if key is None or not rows:
        return {}
    of_desktop = {session.desktop_id: session for session in sessions.of_desktops(tx, [row.id for row in rows])}
    users = people.by_ids(tx, {session.user_id for session in of_desktop.values()}) if of_desktop else {}
    found: dict[str, Person] = {}
    for row in rows:
        session = of_desktop.get(row.id)
        user = users.get(session.user_id) if session is not None else None
        if session is not None and user is not None:
            found[row.id] = Person(
                name=user.name,
                full_name=user.display_name,
                token=token(key, session.id, row.id, row.epoch, row.attempt),
            )
    return found


def person_left(ctx: Context, tx: sa.Connection, seen: DesktopObservation) -> bool:
    """End the session of a person who signed out inside the desktop; whether there was one. An older session says
    nothing of it, nor does one that ends because its desktop is asked to shut down: that person comes back."""
    if seen.sign_on is None or seen.sign_on.state != "left":
        return False
    row = desktops.find(tx, seen.desktop_id)
    if row is None or row.power is Power.STOPPED:
        return False
    ended = False
    key = meta.sign_on_key(tx)
    for session in sessions.open_ones(tx, desktop_id=seen.desktop_id):
        if key is not None and _is_of(key, session, seen):
            ended |= release.end_session(ctx, tx, session, reason="The person signed out in the desktop.", by=None)
    return ended


def _is_of(key: str, session: SessionRow, seen: DesktopObservation) -> bool:
    assert seen.sign_on is not None
    epoch = Epoch(seen.epoch.generation, seen.epoch.counter)
    minted = token(key, session.id, seen.desktop_id, epoch, seen.attempt)
    return hmac.compare_digest(hashlib.sha256(minted.encode()).hexdigest(), seen.sign_on.token_sha256)
