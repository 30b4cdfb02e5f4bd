"""An hour of hostile drawings, with an eye on the memory.

It is an hour of the processor: what else runs beside it does not count. FRAZIL_SOAK_SEED repeats one case.

Writes ``build/soak-scribbling.json``.
"""

from __future__ import annotations

import json
import os
import random
import resource
import time
from pathlib import Path

import pytest

from tests.fuzz.scribbling import scribble

pytestmark = [pytest.mark.soak, pytest.mark.timeout(14400)]
REPORT = Path(__file__).parents[2] / "build" / "soak-scribbling.json"
MINUTES = float(os.environ.get("FRAZIL_SOAK_FUZZ_MINUTES", "60"))
MOST_MIB = 2048
"""What the process may ever have held: the largest picture, blended with another one, takes some hundred MiB."""


def test_an_hour_of_hostile_drawings_breaks_nothing_and_costs_no_memory() -> None:
    first = os.environ.get("FRAZIL_SOAK_SEED")
    dice = random.SystemRandom()
    until = time.process_time() + 60 * MINUTES
    cases = drawn = refused = held_mib = 0
    slowest_s, slowest = 0.0, 0
    while time.process_time() < until:
        seed = int(first) if first else dice.randrange(1 << 48)
        began = time.process_time()
        try:
            more = scribble(seed, video=seed % 4 == 1)
        except Exception:
            print(f"FRAZIL_SOAK_SEED={seed}")
            raise
        slowest_s, slowest = max((slowest_s, slowest), (time.process_time() - began, seed))
        cases, drawn, refused = cases + 1, drawn + more[0], refused + more[1]
        held_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        assert held_mib < MOST_MIB, f"{held_mib} MiB after {cases} cases; FRAZIL_SOAK_SEED={seed}"
        if first:
            break
    figures = {
        "minutes": MINUTES,
        "cases": cases,
        "messages": {"drawn": drawn, "refused": refused},
        "most_mib": held_mib,
        "slowest_case_s": round(slowest_s, 3),
        "slowest_seed": slowest,
    }
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    assert cases > 100 or first
