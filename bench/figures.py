"""What the benchmarks' results have in common: spreads of many values, CPU time, and the machine they were taken on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

from frazil.server.images import cache_key, load_recipe

ROOT = Path(__file__).resolve().parents[1]


def spread(values: Sequence[float], *, digits: int = 3) -> dict[str, float]:
    """p50, p95 and the extremes, in the values' own unit."""
    p95 = quantiles(values, n=20, method="inclusive")[18] if len(values) > 1 else values[0]
    found = {"p50": median(values), "p95": p95, "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def cpu_s(pid: int) -> float:
    """CPU time of a process and all its threads: utime and stime of proc(5)."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Surroundings:
    """Made before a benchmark begins, so that a loaded machine can be told in its result."""

    def __init__(self) -> None:
        self._load_before = os.getloadavg()[0]

    def facts(self) -> dict[str, object]:
        return {
            "cpus": os.cpu_count(),
            "kvm": False,
            "kernel": platform.release().partition("-")[0],
            "load_before": round(self._load_before, 2),
            "commit": _commit(),
        }


def image_key(recipe: str = "debian-icewm") -> str:
    """Which image a recipe makes now: the name of its directory in the cache."""
    return cache_key(load_recipe(ROOT / "images" / recipe))


def _commit() -> str:
    """What was measured, marked where files differ from it; empty outside a checkout."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def report(result: dict[str, object]) -> int:
    """Print it as one line. The exit code: 1 when a goal was missed, or its figures don't tell (None)."""
    print(json.dumps(result))
    goals = result["goals"]
    assert isinstance(goals, dict)
    return 0 if all(goals.values()) else 1
