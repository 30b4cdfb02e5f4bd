"""An installation that is stopped, with its desktops, when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from frazil.cli.libvirtd import ensure_running
from frazil.settings import Settings
from tests.integration.cli.installation import Installation


@pytest.fixture
def installation(place: Path, make_settings: Callable[[], Settings]) -> Iterator[Installation]:
    settings = make_settings()
    ensure_running(uri=settings.libvirt_uri)
    made = Installation(place, settings)
    try:
        yield made
    finally:
        made.frazil("down", "--grace", "0")
