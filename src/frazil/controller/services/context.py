"""What every use case works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from frazil.controller.identity.passwords import Passwords
from frazil.controller.lines import KnownLines
from frazil.controller.metrics import Measures
from frazil.controller.planning.facts import Facts
from frazil.controller.planning.refusals import Refusal
from frazil.controller.presence import Presence
from frazil.controller.store import Store
from frazil.model.clock import Clock, Ids
from frazil.model.errors import Unavailable


class AskHost(Protocol):
    """Ask a host for a picture of a desktop; raises HostError when it can't give one."""

    def __call__(self, host_id: str, *, desktop_id: str, deadline_s: float) -> Awaitable[bytes]: ...


@dataclass(slots=True)
class PlanWords:
    """What the last plan said about what it did *not* do. Written by the reconciler.

    short: whether something would have a place if a host had more room.
    facts, looked_s: what it was made of, and when that was read, by the monotonic clock.
    """

    waiting: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, tuple[Refusal, ...]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    short: bool = False
    facts: Facts | None = None
    looked_s: float | None = None


async def _nobody(host_id: str, *, desktop_id: str, deadline_s: float) -> bytes:
    raise Unavailable("No host is connected to this controller.")


@dataclass(slots=True)
class Context:
    """`wake` tells the reconciler that something changed; `tell_hosts` has the links of these hosts look whether
    something else is wanted of them, and say so, which the reconciler does as well, later; `ask_host` goes over the
    host's link; `leads`: whether this controller does.

    These are set when the process is put together.
    """

    store: Store
    clock: Clock
    ids: Ids
    passwords: Passwords
    presence: Presence
    lines: KnownLines = field(default_factory=KnownLines)
    words: PlanWords = field(default_factory=PlanWords)
    measures: Measures = field(default_factory=Measures)
    wake: Callable[[], None] = lambda: None
    tell_hosts: Callable[[Collection[str]], None] = lambda _host_ids: None
    ask_host: AskHost = _nobody
    leads: Callable[[], bool] = lambda: True
