#!/usr/bin/env python3
"""What one look at the whole installation costs the controller. Prints one JSON object as its last line.

    .venv/bin/python bench/look.py [--desktops 20000] [--changed 100] [--times 10] [--sqlite]

A database, PostgreSQL's or SQLite's, with so many ready desktops, twenty on a host and at most a thousand in a pool, as
hosts that are heard from have them. CPU milliseconds of the thread that looks: `first_read`, where nothing is known;
`read`, where nothing has changed since; `read_changed`, where --changed desktops have; `plan`, of what was read.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from figures import Surroundings, report, spread

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from frazil.controller.lines import KnownLines
from frazil.controller.planning import plan
from frazil.controller.presence import Presence
from frazil.controller.reconcile import snapshot
from frazil.controller.store import Store, desktops, hosts, images, observations, pools
from frazil.controller.store.engine import sqlite_url
from frazil.controller.store.rows import ImageRow, ImageSeenRow, NewDesktop, PoolRow, SeenRow
from frazil.model.desktop import Epoch, Guest, Phase, State
from frazil.runtime import SystemClock, SystemIds
from frazil.wire.hostlink import Capabilities, HostLoad, Profile
from tests.harness.postgresql import PostgreSQL

ON_A_HOST, IN_A_POOL = 20, 1000
CAN = Capabilities(kvm=True, spice=True, vcpus=8, memory_mib=65536, qemu="7.2", libvirt="9.0")
T = TypeVar("T")


class Installation:
    """Ready desktops of which nothing is to be done."""

    def __init__(self, store: Store, size: int) -> None:
        self.store, self.clock, self._ids = store, SystemClock(), SystemIds()
        self.presence = Presence(self.clock)
        self.hosts = [self._ids.new_id() for _ in range(math.ceil(size / ON_A_HOST))]
        self.desktops = [self._ids.new_id() for _ in range(size)]
        self._image = self._ids.new_id()
        for host_id in self.hosts:
            self.presence.heard(host_id, HostLoad(load1=0.0, memory_available_mib=32768, disk_free_mib=100_000))
        store.write_now(self._fill)

    def _fill(self, tx: sa.Connection) -> None:
        now = self.clock.now()
        for number, host_id in enumerate(self.hosts):
            hosts.hello(tx, id=host_id, name=f"host-{number}", version="1", capabilities=CAN, now=now)
        image = ImageRow(
            id=self._image, name="debian", version=1, recipe="debian-icewm", upload=None, upload_format=None, os="",
            wanted="present", attempt=1, created_at=now,
        )  # fmt: skip
        images.insert(tx, image)
        seen = [
            ImageSeenRow(
                image_id=image.id, host_id=host_id, attempt=1, state="ready", step="", fraction=1.0, eta_s=None,
                failure=None, sha256=None, virtual_size_bytes=None, size_bytes=None, os="", observed_at=now,
            )
            for host_id in self.hosts
        ]  # fmt: skip
        images.saw_all(tx, seen)
        for begin in range(0, len(self.desktops), IN_A_POOL):
            self._pool(tx, begin // IN_A_POOL, self.desktops[begin : begin + IN_A_POOL])
        desktops.announce(tx, self.desktops, phase=Phase.READY, measured=True, clock_from=None)

    def _pool(self, tx: sa.Connection, number: int, ids: Sequence[str]) -> None:
        now = self.clock.now()
        pool = PoolRow(
            id=self._ids.new_id(), name=f"pool-{number}", label="", image_id=self._image, profile=Profile(),
            spares=len(ids), max_desktops=len(ids), start_deadline_s=900, pause_after_s=0, version=1, deleting=False,
            created_at=now, changed_at=now,
        )  # fmt: skip
        pools.insert(tx, pool)
        new = [
            NewDesktop(
                id=id, disk_id=self._ids.new_id(), name=f"{pool.name}-{at}", pool=pool,
                host_id=self.hosts[at % len(self.hosts)],
            )
            for at, id in enumerate(ids)
        ]  # fmt: skip
        desktops.insert(tx, new, generation=1, now=now)
        observations.saw_all(tx, [(one.host_id or "", self._seen(one.id, "")) for one in new], now=now)

    def _seen(self, desktop_id: str, step: str) -> SeenRow:
        now = self.clock.now()
        return SeenRow(
            desktop_id=desktop_id, state=State.RUNNING, guest=Guest.READY, epoch=Epoch(1, 1), attempt=1, failure=None,
            step=step, started_at=now, observed_at=now, source="host",
        )  # fmt: skip

    def change(self, count: int, nth: int) -> None:
        """Hosts say something new of so many."""

        def work(tx: sa.Connection) -> None:
            on = {row.id: row.host_id or "" for row in desktops.by_ids(tx, self.desktops[:count]).values()}
            said = [(host_id, self._seen(id, f"change {nth}")) for id, host_id in on.items()]
            assert len(observations.saw_all(tx, said, now=self.clock.now())) == count

        self.store.write_now(work)

    def read(self, memory: snapshot.Memory) -> snapshot.Snapshot:
        return self.store.read_now(
            lambda tx: snapshot.read(
                tx, presence=self.presence.view(), lines=KnownLines(), clock=self.clock, memory=memory
            )
        )


def cpu_ms(work: Callable[[], T]) -> tuple[float, T]:
    began_s = time.thread_time()
    result = work()
    return 1000 * (time.thread_time() - began_s), result


def measure(options: argparse.Namespace, store: Store) -> dict[str, object]:
    surroundings = Surroundings()
    there = Installation(store, options.desktops)
    memory = snapshot.Memory()
    first_ms, seen = cpu_ms(lambda: there.read(memory))
    assert len(seen.facts.desktops) == options.desktops
    read_ms, changed_ms, plan_ms = [], [], []
    for nth in range(options.times):
        read_ms.append(cpu_ms(lambda: there.read(memory))[0])
        there.change(options.changed, nth)
        took_ms, seen = cpu_ms(lambda: there.read(memory))
        changed_ms.append(took_ms)
        took_ms, decided = cpu_ms(lambda seen=seen: plan(seen.facts))  # type: ignore[misc]
        plan_ms.append(took_ms)
        assert not decided.actions, decided.actions[:3]
    return {
        "desktops": options.desktops, "changed": options.changed,
        "database": "sqlite" if options.sqlite else "postgresql",
        "first_read_cpu_ms": round(first_ms, 1), "read_cpu_ms": spread(read_ms, digits=1),
        "read_changed_cpu_ms": spread(changed_ms, digits=1), "plan_cpu_ms": spread(plan_ms, digits=1),
        "machine": surroundings.facts(), "goals": {},
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--desktops", type=int, default=20000, help="default: %(default)s")
    parser.add_argument("--changed", type=int, default=100, help="between two looks (default: %(default)s)")
    parser.add_argument("--times", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        if options.sqlite:
            place = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
            url = sqlite_url(Path(place) / "look.sqlite3")
        else:
            url = stack.enter_context(PostgreSQL()).database()
        store = Store.open(url)
        stack.callback(store.close)
        return report(measure(options, store))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
