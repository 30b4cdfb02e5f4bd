"""An hour of hostile drawings, with an eye on the memory. FRAZIL_SOAK_SEED repeats one case."""

from __future__ import annotations

import os
import random
import resource
import time

import pytest

from tests.fuzz.scribbling import scribble

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7000)]
MINUTES = float(os.environ.get("FRAZIL_SOAK_FUZZ_MINUTES", "60"))
MOST_MIB = 2048
"""What the process may ever have held: the largest picture, blended with another one, takes some hundred MiB."""


def test_an_hour_of_hostile_drawings_breaks_nothing_and_costs_no_memory() -> None:
    first = os.environ.get("FRAZIL_SOAK_SEED")
    dice = random.SystemRandom()
    until = time.monotonic() + 60 * MINUTES
    cases = 0
    while time.monotonic() < until:
        seed = int(first) if first else dice.randrange(1 << 48)
        try:
            scribble(seed)
        except Exception:
            print(f"FRAZIL_SOAK_SEED={seed}")
            raise
        cases += 1
        held_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        assert held_mib < MOST_MIB, f"{held_mib} MiB after {cases} cases; FRAZIL_SOAK_SEED={seed}"
        if first:
            break
    assert cases > 100 or first
