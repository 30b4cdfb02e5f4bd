"""What leaves a host in maintenance. Pure.

Nobody's desktops are replaced elsewhere, then ended. Somebody's own that nobody uses is shut down: its disk is there,
so it can't move. What is in use stays until its session ends, and then is one of these.
"""

from __future__ import annotations

from frazil.controller.planning.facts import DesktopFacts, HostFacts
from frazil.model.desktop import Phase, Power


def _closed(desktop: DesktopFacts, hosts: dict[str, HostFacts]) -> bool:
    host = hosts.get(desktop.host_id) if desktop.host_id is not None else None
    return host is not None and host.maintenance


def leaves(desktop: DesktopFacts, hosts: dict[str, HostFacts]) -> bool:
    """Whether it is nobody's, on a host in maintenance: no spare any more, and in nobody's way once replaced."""
    return not desktop.assigned and _closed(desktop, hosts)


def is_shut_down(desktop: DesktopFacts, phase: Phase, hosts: dict[str, HostFacts]) -> bool:
    """Whether it is somebody's own, runs on a host in maintenance, and nobody uses it."""
    idle = desktop.assigned and not desktop.in_use and desktop.wanted.power in (Power.RUNNING, Power.PAUSED)
    return idle and phase is not Phase.UNKNOWN and _closed(desktop, hosts)
