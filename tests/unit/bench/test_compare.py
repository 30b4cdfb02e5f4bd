"""How the benchmarks compare two ways."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "frazil_bench_compare", Path(__file__).parents[3] / "bench/compare.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_added_lies_between_its_bounds(compare: ModuleType) -> None:
    base = [100 + one % 7 for one in range(70)]
    found = compare.added_percent([(base, [one * 1.1 for one in base])])
    assert found["percent"] == pytest.approx(10, abs=0.1)
    assert found["low"] < 10 < found["high"]
    assert found["high"] - found["low"] < 3
    with_more = compare.added_percent([(base, [one * 1.1 for one in base])], both=100)
    assert with_more["percent"] == pytest.approx(5, abs=0.3)
    twice = compare.added_percent([([100.0], [200.0]), ([100.0], [50.0])])
    assert twice["percent"] == 0


def test_a_limit_is_kept_or_missed_or_nothing_is_said(compare: ModuleType) -> None:
    assert compare.at_most({"low": 1, "percent": 2, "high": 5}, 5) is True
    assert compare.at_most({"low": 6, "percent": 8, "high": 9}, 5) is False
    assert compare.at_most({"low": 1, "percent": 4, "high": 9}, 5) is None


def test_values_that_followed_each_other_are_taken_together(compare: ModuleType) -> None:
    assert compare.together([1, 2, 3, 4, 5, 10, 20]) == [3, 15]
