"""Finding things by id or name, with words when there is none."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.store import desktops, groups, hosts, images, people, pools
from frazil.controller.store.rows import DesktopRow, GroupRow, HostRow, ImageRow, PoolRow, UserRow
from frazil.model.errors import NotFound


def _none(kind: str, ref: str, where: str) -> NotFound:
    return NotFound(f"There is no {kind} called {ref[:100]!r}.", remedy=f"See the list of {where}.")


def user(tx: sa.Connection, ref: str) -> UserRow:
    found = people.find(tx, ref)
    if found is None:
        raise _none("user", ref, "users")
    return found


def group(tx: sa.Connection, ref: str) -> GroupRow:
    found = groups.find(tx, ref)
    if found is None:
        raise _none("group", ref, "groups")
    return found


def pool(tx: sa.Connection, ref: str) -> PoolRow:
    found = pools.find(tx, ref)
    if found is None:
        raise _none("pool", ref, "pools")
    return found


def image(tx: sa.Connection, ref: str) -> ImageRow:
    found = images.find(tx, ref)
    if found is None:
        raise _none("image", ref, "images")
    return found


def host(tx: sa.Connection, ref: str) -> HostRow:
    found = hosts.find(tx, ref)
    if found is None:
        raise _none("host", ref, "hosts")
    return found


def desktop(tx: sa.Connection, ref: str) -> DesktopRow:
    found = desktops.find(tx, ref)
    if found is None:
        raise _none("desktop", ref, "desktops")
    return found
