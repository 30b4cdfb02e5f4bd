"""How much somebody, or a group together, may use: what is over it is refused at the moment of asking."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

What = Literal["desktops", "vcpus", "memory_mib", "sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """So much of each. As a quota, 0 is no limit.

    desktops: that are somebody's, running or not. vcpus, memory_mib: of those among them that are wanted running or
    paused, or have an open session. sessions: that are open.
    """

    desktops: int = 0
    vcpus: int = 0
    memory_mib: int = 0
    sessions: int = 0

    def of(self, what: What) -> int:
        amount: int = getattr(self, what)
        return amount

    @property
    def limits(self) -> bool:
        """As a quota: whether it limits anything."""
        return self != Amounts()

    def in_words(self) -> tuple[str, ...]:
        """As a quota: each limit; empty when nothing is limited."""
        said = (
            (self.desktops, f"desktops: {self.desktops}"),
            (self.vcpus, f"vCPU: {self.vcpus}"),
            (self.memory_mib, f"memory: {self.memory_mib} MiB"),
            (self.sessions, f"sessions: {self.sessions}"),
        )
        return tuple(words for limit, words in said if limit)


ORDER: tuple[What, ...] = ("desktops", "vcpus", "memory_mib", "sessions")
assert set(ORDER) == {field.name for field in fields(Amounts)}


@dataclass(frozen=True, slots=True)
class Excess:
    """What there would be too much of: `asked` more than the `used`, where `limit` is allowed."""

    what: What
    used: int
    asked: int
    limit: int

    def in_words(self, *, own: bool, name: str) -> str:
        """As a sentence; `name`: of whom. own: it is read by them."""
        who, use, have = ("You", "use", "have") if own else (name, "uses", "has")
        amount = f"{self.used} of {self.limit}"
        match self.what:
            case "desktops":
                return f"{who} {use} {amount} desktops."
            case "vcpus":
                return f"{who} {use} {amount} vCPU, and this desktop needs {self.asked}."
            case "memory_mib":
                return f"{who} {use} {amount} MiB of memory, and this desktop needs {self.asked}."
            case "sessions":
                return f"{who} {have} {amount} sessions open."


def excess(quota: Amounts, *, used: Amounts, asked: Amounts) -> Excess | None:
    """The first thing that `asked` would be too much of; None when all of it fits.

    Nothing is too much that is not asked for: who uses more than a lowered quota allows keeps it.
    """
    for what in ORDER:
        limit, have, more = quota.of(what), used.of(what), asked.of(what)
        if limit and more and have + more > limit:
            return Excess(what, have, more, limit)
    return None
