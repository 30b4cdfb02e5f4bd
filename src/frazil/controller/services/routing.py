"""Where an open session's desktop is, and what may pass to and from it."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.store import desktops, host_keys, hosts, policies, sessions
from frazil.model.desktop import Power
from frazil.model.errors import NotFound
from frazil.wire.hostlink import EpochField
from frazil.wire.policy import PolicyField
from frazil.wire.sessions import Route


def route_of(tx: sa.Connection, session_id: str) -> Route:
    """Raises NotFound unless the session is open and its desktop is placed."""
    row = sessions.find(tx, session_id)
    allowed = policies.of_session(tx, session_id)
    if row is None or allowed is None:
        raise NotFound("There is no such open session.", remedy="Open the desktop again from the portal.")
    desktop = desktops.find(tx, row.desktop_id)
    if desktop is None or desktop.host_id is None or desktop.power is Power.ABSENT:
        raise NotFound("The session's desktop is not on any host.", remedy="Wait until it is ready.")
    return Route(
        session_id=row.id,
        desktop_id=desktop.id,
        desktop_name=desktop.name,
        host_id=desktop.host_id,
        epoch=EpochField(generation=desktop.epoch.generation, counter=desktop.epoch.counter),
        host_address=hosts.address_of(tx, desktop.host_id),
        host_trusted=host_keys.is_trusted(tx, desktop.host_id),
        policy=PolicyField.of(allowed.policy),
        policy_version=allowed.version,
    )
