"""What a check found: how bad, what is wrong, what it means, the command that mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum


class Level(Enum):
    """How bad a finding is. Frazil runs with warnings; it does not start with a failed check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's result. `means` and `mend` are empty when all is well; `mend` is a shell command."""

    check: str
    level: Level
    what: str
    means: str = ""
    mend: str = ""

    def as_json(self) -> dict[str, str]:
        return {**asdict(self), "level": self.level.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at. `repair` does what `Finding.mend` says, where that is safe to do unasked."""

    name: str
    look: Callable[[], Finding]
    repair: Callable[[], None] | None = None


def worst(findings: list[Finding]) -> Level:
    """The worst level of all findings."""
    levels = {finding.level for finding in findings}
    for level in (Level.FAILED, Level.WARNING):
        if level in levels:
            return level
    return Level.OK
