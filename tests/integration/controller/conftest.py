"""The controller as a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.controller.stage import Controller


@pytest.fixture
def controller(place: Path) -> Iterator[Controller]:
    with Controller(place) as made:
        yield made
