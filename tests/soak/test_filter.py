"""An hour of hostile links, from their beginning through the policy's filter, with an eye on the memory.

It is an hour of the processor, and a life's time is the processor's too: what else runs beside it does not count.

FRAZIL_SOAK_SEED repeats one life.

Writes ``build/soak-filter.json``.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.fuzz.knocking import knock
from tests.fuzz.traffic import play

pytestmark = [pytest.mark.soak, pytest.mark.timeout(14400)]
REPORT = Path(__file__).parents[2] / "build" / "soak-filter.json"
MINUTES = float(os.environ.get("FRAZIL_SOAK_FUZZ_MINUTES", "60"))
GROWTH_MAX_KIB = 32 << 10
LIFE_MAX_S = 30.0
WARM_UP_LIVES = 500


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_an_hour_of_hostile_traffic_breaks_nothing_and_costs_no_memory() -> None:
    first = os.environ.get("FRAZIL_SOAK_SEED")
    dice = random.SystemRandom()
    until = time.process_time() + 60 * MINUTES
    lives = fed = base_kib = most_kib = 0
    slowest_s, slowest = 0.0, 0
    while time.process_time() < until:
        seed = int(first) if first else dice.randrange(1 << 48)
        began = time.process_time()
        try:
            knock(seed)
            fed += play(seed, steps=dice.choice([60, 60, 2000]))
        except Exception:
            print(f"FRAZIL_SOAK_SEED={seed}")
            raise
        took_s = time.process_time() - began
        slowest_s, slowest = max((slowest_s, slowest), (took_s, seed))
        assert took_s < LIFE_MAX_S, f"FRAZIL_SOAK_SEED={seed} took {took_s:.1f} s"
        lives += 1
        if lives == WARM_UP_LIVES:
            base_kib = _resident_kib()
        most_kib = max(most_kib, _resident_kib())
        if base_kib:
            assert most_kib - base_kib < GROWTH_MAX_KIB, f"grew by {most_kib - base_kib} KiB in {lives} lives"
        if first:
            break
    figures = {
        "minutes": MINUTES,
        "lives": lives,
        "fed_mib": round(fed / (1 << 20), 1),
        "resident_kib": {"warm": base_kib, "most": most_kib},
        "slowest_life_s": round(slowest_s, 3),
        "slowest_seed": slowest,
    }
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures))
