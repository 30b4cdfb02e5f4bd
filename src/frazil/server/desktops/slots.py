"""How many desktops may be starting at once: a host that boots everything together boots nothing in time.

A start takes some of the host's room until its desktop is ready. Forks are light, and better made together than in
turn: one that is ready goes on working (its network card, its address), and that takes the CPU from those that wait.
Boots are heavy. Whether memory allows for a start at all is asked elsewhere (`frazil.server.density.pressure`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

FORK = 1
BOOT = 10
"""What a start takes. Under emulation a fork uses 0.8 s of a CPU until it is ready, and a boot 20 s and more."""
PER_CPU_CALM = 10
PER_CPU_BUSY = 2
CALM_BELOW = 50.0
BUSY_FROM = 90.0
PSI = Path("/proc/pressure/cpu")


class Waiter(Protocol):
    """One who waits for a slot."""

    def wake(self) -> None: ...


def room(*, cpus: int, waited: float) -> int:
    """What may be taken at once by all starts together, in units of FORK.

    waited: per cent of the last minute in which a runnable task waited for a CPU. A minute, since a storm of starts
    is busy by itself for some seconds, and that is no reason to slow it down; a host that is busy for longer is.
    """
    busy = min(1.0, max(0.0, (waited - CALM_BELOW) / (BUSY_FROM - CALM_BELOW)))
    return max(1, round(cpus * (PER_CPU_CALM - busy * (PER_CPU_CALM - PER_CPU_BUSY))))


def waited_of(psi: str | None, *, cpus: int, load: float) -> float:
    """What `room` is told: `some avg60` of PSI's text (Documentation/accounting/psi.rst).

    Where the kernel has no PSI, the share of the tasks beyond the CPUs in the load average of a minute.
    """
    for line in (psi or "").splitlines():
        kind, *pairs = line.split()
        if kind == "some":
            return float(dict(pair.split("=", 1) for pair in pairs)["avg60"])
    return 100.0 * max(0.0, 1.0 - cpus / load) if load > 0 else 0.0


def room_here() -> int:
    """The room on this host now."""
    try:
        psi = PSI.read_text(encoding="ascii")
    except OSError:  # not built in, or turned off: it is then not there, or can't be read
        psi = None
    cpus = os.cpu_count() or 1
    return room(cpus=cpus, waited=waited_of(psi, cpus=cpus, load=os.getloadavg()[0]))


class StartSlots:
    """Shares out the room, in the order of asking. Used in the event loop's thread only.

    room: asked at each look. Whatever it says, one may always start.
    """

    def __init__(self, room: Callable[[], int]) -> None:
        self._room = room
        self._holders: dict[Waiter, int] = {}
        self._waiting: dict[Waiter, int] = {}

    def take(self, who: Waiter, cost: int) -> bool:
        """True when `who` may start now; otherwise it is woken when it may perhaps."""
        if who in self._holders:
            return True
        self._waiting[who] = cost
        if who not in self._first():
            return False
        self._holders[who] = self._waiting.pop(who)
        return True

    def _first(self) -> list[Waiter]:
        """Those who may start now. Nobody passes one who asked before."""
        used, found = sum(self._holders.values()), list[Waiter]()
        limit = self._room() if self._waiting else 0
        for who, cost in self._waiting.items():
            if used + cost > limit and used:
                break
            used += cost
            found.append(who)
        return found

    def give_back(self, who: Waiter) -> None:
        """Let go of the slot or of the place in the queue; harmless when `who` has neither."""
        if who in self._holders:
            del self._holders[who]
        elif who in self._waiting:
            del self._waiting[who]
        else:
            return
        for waiter in self._first():
            waiter.wake()
