"""Round after round: a process is killed at a random place the n-th time it comes there. FRAZIL_SOAK_SEED repeats one.

Writes ``build/soak-failpoints.json``.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.failpoints import DEATHS, Death
from tests.faults.installation import Installation
from tests.faults.scenario import survive
from tests.harness.stack import Stack

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
REPORT = Path(__file__).parents[2] / "build" / "soak-failpoints.json"
MINUTES = float(os.environ.get("FRAZIL_SOAK_MINUTES", "10"))
FURTHEST = {death.place: max(d.nth for d in DEATHS if d.place == death.place) for death in DEATHS}
"""How often each place is surely reached in one round: the fixed cases show it."""


def _random(dice: random.Random) -> Death:
    known = dice.choice(DEATHS)
    return Death(known.place, dice.randint(1, FURTHEST[known.place]), known.during)


def test_killed_at_random_places_for_minutes_all_is_whole_each_time() -> None:
    seed = int(os.environ.get("FRAZIL_SOAK_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"FRAZIL_SOAK_SEED={seed}")
    dice = random.Random(seed)
    rounds: list[dict[str, object]] = []
    failure = ""
    end_s = time.monotonic() + MINUTES * 60
    with Stack(fake=True) as stack:
        installation = Installation(stack)
        while time.monotonic() < end_s and not failure:
            death = _random(dice)
            began_s = time.monotonic()
            try:
                survive(installation, death)
            except AssertionError as exc:
                failure = f"round {len(rounds) + 1}, {death}: {exc}"
                print(stack.logs())
            rounds.append({"death": str(death), "seconds": round(time.monotonic() - began_s, 2), "whole": not failure})
    REPORT.parent.mkdir(exist_ok=True)
    kills = Counter(str(each["death"]).partition(":")[0] for each in rounds)
    report = {"seed": seed, "minutes": MINUTES, "rounds": len(rounds), "kills": dict(sorted(kills.items()))}
    REPORT.write_text(json.dumps({**report, "failure": failure, "each": rounds}, indent=1) + "\n")
    assert not failure, f"FRAZIL_SOAK_SEED={seed}: {failure}"
