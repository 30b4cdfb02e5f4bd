"""SIGKILL of each process at every failpoint, while twenty desktops are made, used or deleted."""

from __future__ import annotations

import os

import pytest

from frazil import failpoint
from tests.faults.failpoints import DEATHS, Death
from tests.faults.installation import Installation
from tests.faults.scenario import survive

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]


def test_every_failpoint_is_tried() -> None:
    assert {death.place for death in DEATHS} == set(failpoint.PLACES)


@pytest.mark.parametrize("death", DEATHS, ids=str)
def test_killed_there_all_twenty_are_ready_none_twice_and_nothing_is_left(
    installation: Installation, death: Death
) -> None:
    survive(installation, death)
