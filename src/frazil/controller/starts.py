"""How a pool's desktops come up."""

from __future__ import annotations

from frazil.controller.store.rows import PoolRow
from frazil.wire.hostlink import ReadyWhen, Start


def start_of(pool: PoolRow, ready_when: ReadyWhen) -> Start:
    """How the pool's desktops come up: a fork needs the guest service, which tells it who it is.

    What is persistent boots from an overlay of the image: a fork's disk fits no memory but its template's.
    """
    return pool.start if ready_when == "service" and pool.kind == "floating" else "cold"
