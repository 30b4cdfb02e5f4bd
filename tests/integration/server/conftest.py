"""A lab of this machine's libvirt, shared by the tests that break nothing in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from frazil.runtime import SystemIds
from tests.integration.server.lab import Lab, lab

POSSIBLE = os.geteuid() == 0 and all(map(shutil.which, ("qemu-system-x86_64", "mmdebstrap", "libvirtd")))


@pytest.fixture(scope="session", autouse=True)
def hypervisor_runs(libvirtd: None) -> None:
    """Labs are on the machine's own libvirt."""


@pytest.fixture(scope="session")
def lab_place() -> Iterator[tuple[Path, str]]:
    """A directory that labs share, one after the other, and their installation: a template is made once for all.

    FRAZIL_LAB names one that is kept: `make test` runs pytest twice.
    """
    if kept := os.environ.get("FRAZIL_LAB"):
        place = Path(kept)
        installation = place / "installation"
        if not installation.exists():
            installation.write_text(SystemIds().new_id())
        yield place, installation.read_text()
        return
    place = Path(tempfile.mkdtemp(prefix="fz-lab-", dir="/var/tmp"))
    yield place, SystemIds().new_id()
    shutil.rmtree(place, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(lab_place: tuple[Path, str]) -> AsyncIterator[Lab]:
    if not POSSIBLE:
        pytest.skip("needs root, libvirt, qemu-system-x86 and mmdebstrap")
    place, installation_id = lab_place
    async with lab(place=place, installation_id=installation_id) as one:
        yield one
