"""Who gets the host's processors first: a desktop that somebody waits for, before those that run already.

libvirt keeps each QEMU in a cgroup, whose weight says what share of busy processors it gets beside the others
(https://libvirt.org/cgroups.html). Nice values would say nothing there. Everything here is called in a pool's thread.
"""

from __future__ import annotations

from pathlib import Path

import libvirt
import structlog

from frazil.server.hypervisor.errors import connection_lost

log = structlog.get_logger(__name__)

UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers")
WEIGHT_V1 = 1024
WEIGHT_V2 = 100
"""What a cgroup has that nobody changed (the kernel's `cpu.shares` and `cpu.weight`)."""
TIMES = 8
"""What who has precedence gets of a processor, to one part of another desktop's."""


def give(domain: libvirt.virDomain) -> None:
    """Let it go before others, where this host can weigh them."""
    _weigh(domain, TIMES)


def end(domain: libvirt.virDomain) -> None:
    """It is as all others again."""
    _weigh(domain, 1)


def _weigh(domain: libvirt.virDomain, times: int) -> None:
    weight = times * (WEIGHT_V2 if UNIFIED.exists() else WEIGHT_V1)
    try:
        domain.setSchedulerParametersFlags({"cpu_shares": weight}, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as exc:
        if connection_lost(exc):
            raise  # it was not done, and is to be done again
        # No cpu cgroups here: all have the same share then.
        log.debug("not-weighed", domain=domain.name(), why=exc.get_error_message())
