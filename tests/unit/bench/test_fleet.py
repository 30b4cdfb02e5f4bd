"""How the fleet's benchmark reckons."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[3] / "bench"


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("fleet")


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_exponent_of_a_power_is_that_power(fleet: ModuleType, power: float) -> None:
    points = [(desktops, 3 * desktops**power) for desktops in fleet.SIZES]
    assert fleet.exponent(points) == pytest.approx(power, abs=0.001)


@pytest.mark.parametrize(("desktops", "calls"), [(100, 25), (100, 50), (1000, 250), (5000, 1250), (20000, 5000)])
def test_when_all_have_called_the_pools_are_full(fleet: ModuleType, desktops: int, calls: int) -> None:
    size = fleet.Size(hosts=1, desktops=desktops, calls=calls)
    assert size.spares * size.pools + calls == desktops
    assert size.pool_size <= fleet.POOL
    assert size.spares <= 1000
