"""How far a build is, from what it prints and from what each phase weighed when it was measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """Where a build is: words for a person, 0..1, and seconds to go (None before it can be told)."""

    phase: str
    fraction: float
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a build. `weight_s` is what it took on two cores and says only how phases compare."""

    name: str
    weight_s: float


INDEX = Phase("Reading the package lists", 4)
BASE = Phase("Making the base system", 14)
DOWNLOAD = Phase("Fetching packages", 4)
UNPACK = Phase("Unpacking packages", 13)
SET_UP = Phase("Setting up packages", 12)
CUSTOMIZE = Phase("Making the desktop", 7)
BOOT_FILES = Phase("Preparing kernel and initial RAM disk", 2)
FILE_SYSTEM = Phase("Writing the file system", 9)
DISK = Phase("Writing the disk image", 4)
CHECKSUM = Phase("Taking the checksum", 3)

PHASES = (INDEX, BASE, DOWNLOAD, UNPACK, SET_UP, CUSTOMIZE, BOOT_FILES, FILE_SYSTEM, DISK, CHECKSUM)

_MIN_FRACTION_FOR_ETA = 0.02


class Meter:
    """Turns phases into one fraction that never falls, and tells it on. `clock` gives seconds."""

    def __init__(self, tell: Callable[[BuildProgress], None], *, clock: Callable[[], float]) -> None:
        self._tell = tell
        self._clock = clock
        self._started = clock()
        self._total = sum(phase.weight_s for phase in PHASES)
        self._phase = PHASES[0]
        self._entered = self._started
        self._fraction = 0.0
        self.took_s: dict[str, float] = {}

    def enter(self, phase: Phase) -> None:
        """A phase begins; the one before it is over."""
        if phase is not self._phase:
            self._close()
            self._phase = phase
        self.within(0.0)

    def within(self, share: float) -> None:
        """The running phase is done to `share` (0..1)."""
        before = sum(phase.weight_s for phase in PHASES[: PHASES.index(self._phase)])
        reached = (before + self._phase.weight_s * min(max(share, 0.0), 1.0)) / self._total
        self._fraction = max(self._fraction, reached)
        self._report()

    def done(self) -> None:
        self._close()
        self._fraction = 1.0
        self._report()

    def _close(self) -> None:
        now = self._clock()
        self.took_s[self._phase.name] = round(self.took_s.get(self._phase.name, 0.0) + now - self._entered, 2)
        self._entered = now

    def _report(self) -> None:
        elapsed = self._clock() - self._started
        eta = elapsed * (1 - self._fraction) / self._fraction if self._fraction > _MIN_FRACTION_FOR_ETA else None
        self._tell(BuildProgress(phase=self._phase.name, fraction=self._fraction, eta_s=eta))


_NEW_PACKAGES = re.compile(r"\d+ upgraded, (\d+) newly installed")
_MIN_STEP = 0.02
_NEARLY = 0.97


class InstallReader:
    """Reads what mmdebstrap prints and moves the meter. Words it does not know change nothing."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._expected = 0
        self._seen = 0
        self._phase = INDEX
        self._remaining = False

    def line(self, text: str) -> None:
        if text.startswith("I: downloading packages with apt"):
            self._enter(BASE)
        elif text.startswith("I: installing remaining packages"):
            self._remaining = True
            self._enter(DOWNLOAD)
        elif text.startswith("I: running --customize-hook"):
            if self._phase is not CUSTOMIZE:
                self._enter(CUSTOMIZE)
        elif match := _NEW_PACKAGES.match(text):
            self._expected, self._seen = int(match[1]), 0
        elif self._remaining:
            self._count(text)

    def _enter(self, phase: Phase) -> None:
        self._phase, self._seen = phase, 0
        self._meter.enter(phase)

    def _count(self, text: str) -> None:
        phase = next((phase for start, phase in _COUNTED if text.startswith(start)), None)
        if phase is None:
            return
        # dpkg sets some packages up early, because others need them to be unpacked: not yet the next phase.
        ahead = PHASES.index(phase) - PHASES.index(self._phase)
        if ahead == 1 and (self._phase is DOWNLOAD or self._seen >= self._expected * _NEARLY):
            self._enter(phase)
        if phase is self._phase and self._expected:
            self._seen += 1
            step = max(1, int(self._expected * _MIN_STEP))
            if self._seen % step == 0:
                self._meter.within(self._seen / self._expected)


_COUNTED: tuple[tuple[str, Phase], ...] = (("Get:", DOWNLOAD), ("Unpacking ", UNPACK), ("Setting up ", SET_UP))
