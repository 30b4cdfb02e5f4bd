"""The benchmarks of the gateway and the viewer run to their end: whatever their goals say, all is measured and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
DEADLINE_S = 1200.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(DEADLINE_S + 60)]


def told(script: str, *arguments: str) -> dict[str, object]:
    """The last line; 1 is the exit code of a goal that was missed."""
    argv = [sys.executable, str(BENCH / script), *arguments]
    said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False, timeout=DEADLINE_S)
    assert said.returncode in (0, 1)
    result = json.loads(said.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result


def test_the_gateway_beside_other_relays() -> None:
    short = ("--seconds", "0.5", "--rounds", "1", "--idle", "100", "--busy", "5", "--together-seconds", "2")
    result = told("gateway.py", *short)
    assert result["failed"] == {}
    together = result["together"]
    assert isinstance(together, dict)
    assert set(together) == {"straight", "tls", "tunnel", "websocket", "haproxy", "websockify"}


@pytest.mark.skipif(os.geteuid() != 0, reason="builds an image")
def test_what_a_person_waits_for() -> None:
    result = told("viewer.py", "--presses", "20", "--busy-seconds", "2")
    assert result["failed"] == {}
    busy = result["busy"]
    assert isinstance(busy, dict)
    for line, row in busy["film"]["all"].items():
        assert line == "delayed_lines" or row["straight"]["streams"], "a film is no video to this spice-server"
    assert not any(row["straight"]["streams"] for row in busy["film"]["off"].values() if "straight" in row)


def test_how_fast_pictures_are_decoded() -> None:
    result = told("spice.py", "--frames", "2", "--rounds", "1")
    assert result["compiled"]
    rates = result["megapixels_per_s"]
    assert isinstance(rates, dict)
    for kind in ("desktop", "photo"):
        for codec, row in rates[kind].items():
            assert row["decoded"] > 0, codec
            assert row["viewer"] > 0, codec
            assert row["spice_gtk"] > 0, codec


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_one_controller_with_a_fleet(database: str) -> None:
    small = ("--hosts", "10", "--desktops", "100", "--calls", "25", "--within", "5", "--steady", "5")
    result = told("fleet.py", *small, "--database", database)
    assert (result["running"], result["started"], result["twice"]) == (100, 100, [])
    storm = result["storm"]
    assert isinstance(storm, dict)
    assert (storm["calls"], storm["refused"], storm["given_to_two"]) == (25, 0, 0)
