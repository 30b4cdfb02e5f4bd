"""What the tests of templates share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.server.templates import maker


@pytest.fixture(autouse=True)
def pictures_stand_still_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hypervisor of files has one picture: looking at it in quick succession shows as much."""
    monkeypatch.setattr(maker, "LOOK_EVERY_S", 0.01)


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: sockets are made below it."""
    with tempfile.TemporaryDirectory(prefix="fz-") as name:
        yield Path(name)
