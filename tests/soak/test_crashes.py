"""An hour of crashes: one simulated installation after the other, in which the controller dies and all goes wrong.

It is an hour of the processor: what else runs beside it does not count. FRAZIL_SOAK_SEED repeats one lot.

Writes ``build/soak-crashes.json``.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.harness.simulation.database import Databases
from tests.harness.simulation.doings import Doings
from tests.integration.controller.crashes.machine import beginning, machine

pytestmark = [pytest.mark.soak, pytest.mark.timeout(14400)]
REPORT = Path(__file__).parents[2] / "build" / "soak-crashes.json"
MINUTES = float(os.environ.get("FRAZIL_SOAK_CRASHES_MINUTES", "60"))
LOT, STEPS = 25, 100


def test_an_hour_of_crashes_harms_no_installation(tmp_path: Path) -> None:
    first = os.environ.get("FRAZIL_SOAK_SEED")
    dice = random.SystemRandom()
    begin = beginning(Databases(tmp_path))
    totals: Counter[str] = Counter()
    deaths: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    made: list[Doings] = []

    def counted() -> None:
        for one in made:
            totals.update(
                installations=1, steps=one.checks, commits_and_messages=one.points, virtual_s=round(one.loop.time())
            )
            deaths.update(one.deaths)
            calls.update(one.calls)
        made.clear()

    def begun(number: int) -> Doings:
        counted()
        made.append(begin(number))
        return made[0]

    lot = settings(
        max_examples=LOT, stateful_step_count=STEPS, database=None, phases=[Phase.generate], derandomize=False
    )
    until = time.process_time() + 60 * MINUTES
    while time.process_time() < until:
        number = int(first) if first else dice.randrange(1 << 48)
        try:
            run_state_machine_as_test(seed(number)(machine(begun)), settings=lot)
        except BaseException:
            print(f"FRAZIL_SOAK_SEED={number}")
            raise
        if first:
            break
    counted()
    figures = {"minutes": MINUTES, **totals, "deaths": deaths, "calls": calls}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    assert sum(deaths.values()) > totals["installations"]
