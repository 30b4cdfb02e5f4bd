"""Half an hour of people who come, work and leave: nothing grows, and it is as quick at the end as at the beginning.

Writes ``build/soak-churn.json``; FRAZIL_SOAK_MINUTES (30) and FRAZIL_SOAK_PEOPLE (20) change how long and how many.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pytest

from frazil.model.desktop import Phase
from frazil.server.density.measuring import own_memory_mib
from tests.harness.stack import NAMES, Person, Stack
from tests.harness.visits import Glance, Visit, glance, visit
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
REPORT = Path(__file__).parents[2] / "build" / "soak-churn.json"
MINUTES = float(os.environ.get("FRAZIL_SOAK_MINUTES", "30"))
PEOPLE = int(os.environ.get("FRAZIL_SOAK_PEOPLE", "20"))
POOL = "churn"
SPARES = 3
AT_ONCE = 4
"""Visits at one time: a machine at its limit all the while, and never beyond, however fast it is."""
GLANCES = 0.8
"""Of the visits: who leaves at the first picture, while the sign-on goes on, makes a fork and costs little else."""
AWAY_S = (5.0, 60.0)
"""How long a person stays away before they want to come again."""
SAMPLE_EVERY_S = 30.0
SETTLING = 0.2
"""Of the time, at the beginning: caches fill, and are no leak."""
MEMORY_MIB, DESCRIPTORS, THREADS = 24, 12, 6
"""What each process may have more at the end than after settling."""
SLOWER = 1.5
SLOWER_S = 0.5
"""How much longer the last fifth's median may take than the first's: a factor and a rest, since machines are noisy."""


@pytest.mark.usefixtures("libvirtd")
async def test_people_come_and_go_and_nothing_grows() -> None:
    dice = random.Random(2026)
    with Stack(ksm=True, zram=True) as stack:
        stack.start()
        stack.pool(POOL, spares=SPARES, max_desktops=PEOPLE + SPARES + 4, pause_after_s=10)
        stack.desktops(POOL, Phase.READY, Phase.PAUSED, count=SPARES, timeout_s=400)
        people = [stack.user(f"person-{n}") for n in range(PEOPLE)]
        for person in people:
            stack.root.grant(POOL, person.name)
        files_before = _files(stack)
        samples: list[dict[str, dict[str, int]]] = []
        visits: list[tuple[float, Glance]] = []
        until_s = time.monotonic() + 60 * MINUTES
        seats = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            sampling = tasks.create_task(_sample(stack, samples))
            coming = [tasks.create_task(_come_and_go(stack, one, dice, seats, until_s, visits)) for one in people]
            await asyncio.gather(*coming)
            sampling.cancel()
        until(lambda: _settled(stack), "only the spares are left", timeout_s=120)
        files_after = _files(stack)
        domains = stack.guests.ids()
        report = _report(visits, samples, files_before, files_after)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    assert len(domains) == SPARES
    assert files_after == files_before, "files stay that nobody needs"
    assert report["grown"] == {}, report["grown"]
    assert report["slower"] == {}, report["slower"]


async def _come_and_go(
    stack: Stack,
    person: Person,
    dice: random.Random,
    seats: asyncio.Semaphore,
    until_s: float,
    visits: list[tuple[float, Glance]],
) -> None:
    await asyncio.sleep(dice.uniform(0, AWAY_S[1]))  # people don't come in step
    while time.monotonic() < until_s:
        async with seats:
            if time.monotonic() >= until_s:
                return
            began_s = time.monotonic()
            seen: Glance
            if dice.random() < GLANCES:
                seen = await glance(stack, person, POOL)
            else:
                seen = await visit(stack, person, POOL, hard=False)
            visits.append((began_s, seen))
            await asyncio.to_thread(person.client.end_session, seen.session_id)  # their desktops go with them
        await asyncio.sleep(dice.uniform(*AWAY_S))


def _settled(stack: Stack) -> bool:
    return len(stack.guests.ids()) == SPARES and len(stack.disks()) == SPARES


async def _sample(stack: Stack, samples: list[dict[str, dict[str, int]]]) -> None:
    while True:
        samples.append(await asyncio.to_thread(_look, stack))
        await asyncio.sleep(SAMPLE_EVERY_S)  # the pace of looking


def _look(stack: Stack) -> dict[str, dict[str, int]]:
    """Memory of its own, descriptors and threads of each process that lives on."""
    found = {}
    for name, pid in [*((name, stack.pid(name)) for name in NAMES), ("libvirtd", _libvirtd())]:
        assert pid is not None, name
        proc = Path(f"/proc/{pid}")
        found[name] = {
            "memory_mib": own_memory_mib(pid) or 0,
            "descriptors": len(list((proc / "fd").iterdir())),
            "threads": len(list((proc / "task").iterdir())),
        }
    return found


def _libvirtd() -> int:
    found = subprocess.run(["pgrep", "-o", "-x", "libvirtd|virtqemud"], capture_output=True, text=True, check=True)
    return int(found.stdout)


def _files(stack: Stack) -> dict[str, int]:
    """How many files lie in each of the stack's directories; spares have as many as others."""
    places = (stack.settings.state_dir, stack.settings.run_dir)
    return {place.name: sum(1 for file in place.rglob("*") if not _passing(file)) for place in places}


def _passing(file: Path) -> bool:
    """SQLite's log beside its database comes and goes; logs are meant to grow."""
    return file.name.endswith(("-wal", "-shm"))


def _report(
    visits: Sequence[tuple[float, Glance]],
    samples: Sequence[dict[str, dict[str, int]]],
    files_before: dict[str, int],
    files_after: dict[str, int],
) -> dict[str, object]:
    ordered = [seen for _, seen in sorted(visits, key=lambda pair: pair[0])]
    ordered = ordered[PEOPLE:] or ordered  # the first to come have the machine for themselves
    worked = [seen for seen in ordered if isinstance(seen, Visit)]
    taken = {
        "picture_s": [seen.picture_s for seen in ordered],
        "panel_s": [seen.panel_s for seen in worked],
        "key_s": [seen.key_s for seen in worked],
    }
    latencies, slower = {}, {}
    for name, values in taken.items():
        fifth = max(1, len(values) // 5)
        first, last = median(values[:fifth]), median(values[-fifth:])
        latencies[name] = {
            "first_fifth_p50": round(first, 3), "last_fifth_p50": round(last, 3),
            "p50": round(median(values), 3), "max": round(max(values), 3),
        }  # fmt: skip
        if last > first * SLOWER + SLOWER_S:
            slower[name] = latencies[name]
    settled = samples[int(len(samples) * SETTLING) :]
    bounds = {"memory_mib": MEMORY_MIB, "descriptors": DESCRIPTORS, "threads": THREADS}
    grown, processes = {}, {}
    for process in samples[0]:
        for what, bound in bounds.items():
            values = [sample[process][what] for sample in settled]
            third = max(1, len(values) // 3)
            before, after = median(values[:third]), median(values[-third:])
            processes[f"{process}.{what}"] = {"after_settling": before, "at_the_end": after, "max": max(values)}
            if after > before + bound:
                grown[f"{process}.{what}"] = {"after_settling": before, "at_the_end": after}
    return {
        "minutes": MINUTES, "people": PEOPLE, "visits": len(visits),
        "of_them_worked": sum(isinstance(seen, Visit) for _, seen in visits),
        "of_them_with_a_spare": sum(seen.spare for _, seen in visits),
        "latencies": latencies, "slower": slower, "processes": processes, "grown": grown,
        "files_before": files_before, "files_after": files_after,
    }  # fmt: skip
