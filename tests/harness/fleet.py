"""Many simulated hosts in one event loop, and what they are up to together."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from frazil.wire.hostlink import Desired
from tests.fakes.simulated_host import SimulatedHost, Timings


class Fleet:
    """`count` hosts of one installation, whose ids and doings follow from `seed`."""

    def __init__(
        self, socket: Path, count: int, *, installation_id: str, timings: Timings, seed: int = 1, first: int = 0
    ) -> None:
        self.unshared_at_s: dict[str, float] = {}
        """By pool: when the first host heard (monotonic clock) that its desktops' memory is not to be shared."""
        self.hosts = [
            SimulatedHost(
                socket,
                installation_id=installation_id,
                host_id=f"01900000-0000-7000-8000-{number:012x}",
                name=f"host-{number}",
                timings=timings,
                seed=seed * 1_000_000 + number,
                heard=self._heard,
            )
            for number in range(first + 1, first + count + 1)
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Fleet]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(host.run()) for host in self.hosts]
            try:
                yield self
            finally:
                for task in running:
                    task.cancel()

    def _heard(self, desired: Desired) -> None:
        now_s = time.monotonic()
        for pool_id in {spec.pool_id for spec in desired.desktops if not spec.share_memory}:
            self.unshared_at_s.setdefault(pool_id, now_s)

    def where(self) -> Iterator[tuple[str, str]]:
        """Each running desktop and its host's id."""
        for host in self.hosts:
            for desktop_id in host.running():
                yield desktop_id, host.host_id

    def twice(self) -> list[str]:
        """Ids of the desktops that run on more than one host."""
        return [desktop_id for desktop_id, hosts in Counter(id for id, _ in self.where()).items() if hosts > 1]

    def started(self) -> int:
        return sum(host.started for host in self.hosts)
