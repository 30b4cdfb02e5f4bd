#!/usr/bin/env python3
"""How many used desktops a host holds under a memory limit. Prints one JSON object as its last line.

    .venv/bin/python bench/density.py 120 [--limit-gib 16] [--minutes 10] [--most 300] [--more-minutes 60] [--cold 70]

Needs root, libvirt, QEMU and memory cgroups v1. All of Frazil runs behind a libvirtd of its own, in namespaces and in
one memory cgroup: QEMUs, page cache, libvirtd, controller, server, gateway, and this script. What the host's compressed
swap holds is taken off the limit while it runs.

N people open sessions over --minutes, are signed on, look, type into a terminal, have programs run
(tests/harness/work.py), and leave; their desktops are paused by the pool's time. Then each is resumed in turn until its
guest agent answers, ten at random are looked at and typed into, and more people come until the limit, --most, the end
of --more-minutes, or until one of them is not served. At last the same again with desktops that boot from the same
image, until no host takes one more, or --cold of them: what one that boots may come to is its whole memory, so fewer
are let in than would fit as they lie. `fit_as_they_lie`: the limit, less what was held before any, by what each took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from figures import Surroundings, cpu_s, image_key, report, spread
from memory_limit import Account, limited
from own_machine import INSIDE, inside
from parts import since, spent_s
from wakes import sleepers

from frazil.cli.connection import pause
from frazil.model.desktop import Phase
from frazil.model.errors import FrazilError
from frazil.runtime import SystemClock
from frazil.server.density import measuring
from frazil.wire.hostlink import Start
from tests.harness.headless import viewer
from tests.harness.stack import Person, Stack
from tests.harness.visits import NoRoom, visit
from tests.harness.waiting import until

PAUSE_AFTER_S = 5
AT_ONCE = 2
"""So many people come at a time."""
HOME_AT_ONCE = 0.05
"""Of the desktops, so many end before all are resumed again, where one did not answer in time."""
FULL = 0.97
"""Of the limit, held: where no more people are let in."""
ANSWER_GOAL_S = 2.0
PAUSED_GOAL_PERCENT = 0.1
LOOKED_AT = 10
IDLE_S = 30.0
PAUSED_DEADLINE_S = 300.0
RESERVE_MIB = 768
"""Of the limit, for Frazil itself and libvirtd."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One person's desktop in use."""

    person: Person
    session_id: str
    desktop_id: str


@dataclass(slots=True)
class Run:
    """One kind of desktop under the limit."""

    stack: Stack
    account: Account
    pool: str
    seats: list[Seat] = field(default_factory=list)
    came: int = 0
    busy: dict[str, float] = field(default_factory=dict)
    """Processors that each part took while desktops were last resumed in turn."""

    @classmethod
    def begin(cls, stack: Stack, account: Account, *, pool: str, start: Start) -> Run:
        stack.pool(pool, start=start, spares=0, max_desktops=1000, pause_after_s=PAUSE_AFTER_S, start_deadline_s=900)
        return cls(stack, account, pool)

    async def come(self) -> None:
        """One more person: opens a session, is signed on, works, and leaves."""
        self.came += 1
        person = await asyncio.to_thread(self.stack.user, f"{self.pool}-{self.came}")
        await asyncio.to_thread(self.stack.root.grant, self.pool, person.name)
        seen = await visit(self.stack, person, self.pool)
        self.seats.append(Seat(person, seen.session_id, seen.desktop_id))

    async def fill(self, count: int, *, over_s: float = 0.0, for_s: float = math.inf) -> str:
        """People come, a few at a time, until there are `count`. Why there are no more; empty when there are.

        After `for_s` seconds nobody comes any more, nor after one whose visit failed.
        """
        began_s = time.monotonic()
        first = len(self.seats)
        full = ""

        async def come(nth: int) -> None:
            nonlocal full
            async with places:
                due_s = began_s + over_s * (nth - first) / max(1, count - first)
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))  # the pace at which people come
                full = full or self.full() or ("--more-minutes" if time.monotonic() > began_s + for_s else "")
                if full:
                    return
                try:
                    await self.come()
                except NoRoom as exc:
                    full = full or str(exc)
                except (AssertionError, TimeoutError, FrazilError, ExceptionGroup) as exc:
                    print("".join(traceback.format_exception(exc)), file=sys.stderr)
                    full = full or "a person was not served"
                else:
                    print(f"{self.pool}: {len(self.seats)}, {self.account.taken_mib()}", file=sys.stderr)

        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for nth in range(first, count):
                tasks.create_task(come(nth))
        return full

    def full(self) -> str:
        held = self.account.taken_mib()["held"]
        if self.account.killed():
            return "the kernel ended a process for want of memory"
        return f"{held} MiB are held" if held > FULL * self.account.limit_mib else ""

    async def paused(self) -> None:
        """Wait until the pool's time has paused every desktop."""
        await asyncio.to_thread(
            self.stack.desktops, self.pool, Phase.PAUSED, count=len(self.seats), timeout_s=PAUSED_DEADLINE_S
        )

    async def spent_paused(self) -> float:
        """Per cent of a core that one of the paused desktops takes, on the average of all."""
        pids = [process.pid for process in measuring.processes().values()]
        before_s, began_s = sum(map(cpu_s, pids)), time.monotonic()
        await asyncio.sleep(IDLE_S)  # the length of what is measured
        return round(100 * (sum(map(cpu_s, pids)) - before_s) / (time.monotonic() - began_s) / len(pids), 3)

    async def resume_each(self) -> list[float]:
        """Each desktop in turn: seconds from its person's call until its guest agent has answered."""
        took_s: list[float] = []
        before = spent_s()
        for seat in self.seats:
            began_s = time.monotonic()
            await asyncio.to_thread(seat.person.client.ticket, seat.session_id)
            await asyncio.to_thread(
                until, lambda seat=seat: self._answers(seat), "its guest agent answers", timeout_s=60
            )  # type: ignore[misc]
            took_s.append(time.monotonic() - began_s)
        self.busy = since(before, wall_s=sum(took_s))
        return took_s

    def _answers(self, seat: Seat) -> bool:
        asked = json.dumps({"execute": "guest-ping"})
        said = self.stack.guests.virsh(
            "qemu-agent-command", f"frazil-{seat.desktop_id}", asked, "--timeout", "10", expect=False
        )
        return "return" in said

    async def look_at(self, seats: Sequence[Seat]) -> dict[str, object]:
        """All are looked at at once; each gets keys, and its picture's answer is timed; then they are left idle."""
        processes = measuring.processes()
        pids = [processes[seat.desktop_id].pid for seat in seats]
        async with AsyncExitStack() as open_ones:
            pictures_s, keys_s, seen = [], [], []
            for seat in seats:
                began_s = time.monotonic()
                ticket = await asyncio.to_thread(seat.person.client.ticket, seat.session_id)
                one = await open_ones.enter_async_context(viewer(self.stack.settings.listen, self.stack.ca, ticket))
                pictures_s.append(await one.picture() - began_s)
                seen.append(one)
            for one in seen:
                for _ in range(3):
                    drawn = await one.still(for_s=0.3)
                    began_s = time.monotonic()
                    await one.press("w")
                    keys_s.append(await one.picture(after=drawn) - began_s)
            before_s, began_s = [cpu_s(pid) for pid in pids], time.monotonic()
            await asyncio.sleep(IDLE_S)  # the length of what is measured
            over_s = time.monotonic() - began_s
            cpu = [100 * (cpu_s(pid) - before) / over_s for pid, before in zip(pids, before_s, strict=True)]
        return {"desktops": len(seats), "call_to_picture_s": spread(pictures_s), "key_to_picture_s": spread(keys_s),
                "idle_unpaused_cpu_percent_of_a_core": spread(cpu)}  # fmt: skip

    def sharing(self) -> dict[str, int]:
        """KSM's counters (Documentation/admin-guide/mm/ksm.rst), in MiB."""
        ksm = Path("/sys/kernel/mm/ksm")
        page = os.sysconf("SC_PAGE_SIZE")
        return {f"{name}_mib": int((ksm / name).read_text()) * page >> 20 for name in ("pages_shared", "pages_sharing")}

    async def send_home(self, count: int) -> None:
        """End the sessions of the last `count` that came, and wait until their desktops are gone."""
        self.seats, gone = self.seats[:-count], self.seats[-count:]
        for seat in gone:
            await asyncio.to_thread(seat.person.client.end_session, seat.session_id)
        left = {seat.desktop_id for seat in gone}
        await asyncio.to_thread(
            until, lambda: not left & self.stack.guests.ids().keys(), "desktops have ended", timeout_s=300
        )

    async def leave(self) -> None:
        """End all of it."""
        operation = await asyncio.to_thread(self.stack.root.delete_pool, self.pool)
        await asyncio.to_thread(
            self.stack.root.wait_for_operation, operation, clock=SystemClock(), pause=pause, timeout_s=900
        )


async def keep(account: Account) -> None:
    """Keep the limit, what is compressed included, until cancelled."""
    while True:
        account.keep()
        await asyncio.sleep(1.0)  # the pace of looking


async def measure(options: argparse.Namespace) -> dict[str, object]:
    account = Account(options.limit_gib * 1024)
    surroundings = Surroundings()
    with Stack(
        memory_for_desktops_mib=account.limit_mib - RESERVE_MIB,
        desktops_per_cpu=1000,
        guest_subnet="10.204.0.0/20",
        ksm=True,
        zram=True,
    ) as stack:
        stack.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(keep(account))
                forks = await forked(options, Run.begin(stack, account, pool="forks", start="fork"))
                booted = await cold(options, stack, account) if options.cold else None
                keeping.cancel()
        except BaseException:
            print(stack.logs(300), file=sys.stderr)
            raise
    goals = {
        f"{options.desktops} desktops hold": int(str(forks["largest"])) >= options.desktops,
        f"each answers within {ANSWER_GOAL_S:g} s": float(forks["resumed_s"]["max"]) <= ANSWER_GOAL_S,  # type: ignore[index]
        f"paused <= {PAUSED_GOAL_PERCENT} % of a core": float(str(forks["paused_cpu_percent_of_a_core"]))
        <= PAUSED_GOAL_PERCENT,
        "idle <= 4 % of a core": float(forks["looked_at"]["idle_unpaused_cpu_percent_of_a_core"]["p50"]) <= 4,  # type: ignore[index]
        "nothing was killed": account.killed() == 0,
    }
    return {
        "limit_gib": options.limit_gib, "asked": options.desktops, "forks": forks, "cold": booted, "goals": goals,
        "image": image_key(), "machine": surroundings.facts(),
    }  # fmt: skip


async def forked(options: argparse.Namespace, run: Run) -> dict[str, object]:
    before = run.account.taken_mib()
    began_s, spent_before_s = time.monotonic(), spent_s()
    with sleepers() as woke_late_ms:
        full = await run.fill(options.desktops, over_s=60 * options.minutes)
    came_s = time.monotonic() - began_s
    coming = since(spent_before_s, wall_s=came_s)
    await run.paused()
    in_use = run.account.taken_mib()
    sharing = run.sharing()
    paused_percent = await run.spent_paused()
    resumed_s, busy = await run.resume_each(), run.busy
    dice = random.Random(options.seed)
    looked_at = await run.look_at(dice.sample(run.seats, min(LOOKED_AT, len(run.seats))))
    await run.paused()
    held = len(run.seats)
    result: dict[str, object] = {
        "desktops": held, "came_over_s": round(came_s), "processors_busy_while_coming": coming,
        "woke_late_ms_while_coming": woke_late_ms,
        "before_mib": before, "after_mib": in_use,
        "each_mib": round((in_use["held"] - before["held"]) / held, 1), "ksm": sharing,
        "paused_cpu_percent_of_a_core": paused_percent,
        "resumed_s": spread(resumed_s), "processors_busy_while_resuming": busy, "looked_at": looked_at,
        "fit_as_they_lie": as_they_lie(run.account, before, in_use, held),
    }  # fmt: skip
    again_s = resumed_s
    if not full and options.most > options.desktops:
        print(json.dumps(result), file=sys.stderr)  # what follows takes long
        full = await run.fill(options.most, for_s=60 * options.more_minutes)
        await run.paused()
        result["most"], result["most_mib"] = len(run.seats), run.account.taken_mib()
        again_s = await run.resume_each()
        while max(again_s) > ANSWER_GOAL_S and len(run.seats) > held:
            print(f"{len(run.seats)} answer: {spread(again_s)}", file=sys.stderr)
            full = f"{len(run.seats)} did not all answer within {ANSWER_GOAL_S:g} s"
            await run.send_home(min(len(run.seats) - held, round(HOME_AT_ONCE * len(run.seats))))
            await run.paused()
            again_s = await run.resume_each()
    result |= {
        "largest": len(run.seats), "largest_is_bounded_by": full or "--most", "largest_mib": run.account.taken_mib(),
        "largest_resumed_s": spread(again_s),
    }  # fmt: skip
    print(json.dumps(result), file=sys.stderr)  # what follows takes long
    await run.leave()
    return result


def as_they_lie(account: Account, before: dict[str, int], after: dict[str, int], count: int) -> int:
    """How many would fit if each went on taking what these took, once used and paused."""
    return int((account.limit_mib - before["held"]) * count / max(1, after["held"] - before["held"]))


async def cold(options: argparse.Namespace, stack: Stack, account: Account) -> dict[str, object]:
    """The same with desktops that boot."""
    run = Run.begin(stack, account, pool="cold", start="cold")
    before = account.taken_mib()
    full = await run.fill(options.cold)
    await run.paused()
    after = account.taken_mib()
    result = {
        "desktops": len(run.seats), "bounded_by": full or "--cold", "before_mib": before, "after_mib": after,
        "each_mib": round((after["held"] - before["held"]) / len(run.seats), 1), "ksm": run.sharing(),
        "fit_as_they_lie": as_they_lie(account, before, after, len(run.seats)),
        "resumed_s": spread(await run.resume_each()),
    }  # fmt: skip
    await run.leave()
    return result


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="How many used desktops a host holds under a memory limit.")
    parser.add_argument("desktops", type=int, help="how many are to hold")
    parser.add_argument("--limit-gib", type=int, default=16, help="memory for everything (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=10, help="over which the work is spread (default: %(default)s)"
    )
    parser.add_argument("--most", type=int, default=300, help="go on to so many (default: %(default)s)")
    parser.add_argument("--more-minutes", type=float, default=60, help="at most, for that (default: %(default)s)")
    parser.add_argument("--cold", type=int, default=70, help="boot so many at the end; 0: none (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which ten are looked at (default: %(default)s)")
    parser.add_argument(INSIDE, dest="inside", metavar="DIRECTORY", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside is None:
        with limited(options.limit_gib * 1024) as cgroup:
            return inside(__file__, list(arguments), memory_cgroup=cgroup)
    return report(asyncio.run(measure(options)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
