"""The server is killed in each phase of freezing and forking: no half clone, nothing left, the next fork works."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.failpoint import PLACES
from frazil.runtime import SystemIds
from frazil.server.hypervisor.port import Role
from tests.integration.server.conftest import POSSIBLE
from tests.integration.server.lab import ROOT, lab
from tests.integration.server.one_fork import PROFILE

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not POSSIBLE, reason="needs root, libvirt, qemu-system-x86 and mmdebstrap"),
]

BEFORE_IT_IS_KEPT = ("server.template-booted", "server.template-frozen")
OF_FREEZING = (*BEFORE_IT_IS_KEPT, "server.template-kept")
OF_FORKING = ("server.overlay-made", "server.forked", "server.started", "server.identified")
PROCESS_DEADLINE_S = 400.0


@pytest.fixture
def new_place() -> Iterator[tuple[Path, str]]:
    """As `lab_place`, and nothing is in it."""
    at = Path(tempfile.mkdtemp(prefix="fz-kill-", dir="/var/tmp"))
    yield at, SystemIds().new_id()
    shutil.rmtree(at, ignore_errors=True)


async def run(place: Path, installation_id: str, desktop_id: str, failpoint: str) -> int:
    """One life of the server, until it is killed there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.server.one_fork", str(place), installation_id, desktop_id,
        cwd=ROOT, env={**os.environ, "FRAZIL_FAILPOINT": failpoint},
    )  # fmt: skip
    try:
        return await asyncio.wait_for(process.wait(), PROCESS_DEADLINE_S)
    except BaseException:
        process.kill()
        await process.wait()
        raise


async def test_killed_in_any_phase_of_forking_the_next_life_makes_it_whole(lab_place: tuple[Path, str]) -> None:
    place, installation_id = lab_place
    async with lab(place=place, installation_id=installation_id) as at:
        await at.template(PROFILE)
    await killed_and_made_whole(place, installation_id, OF_FORKING)


@pytest.mark.soak  # each is a template's whole boot, thrown away; with the file hypervisor the suite has them in faults
async def test_killed_in_any_phase_of_freezing_the_next_life_makes_it_whole(new_place: tuple[Path, str]) -> None:
    await killed_and_made_whole(*new_place, (*OF_FREEZING, *OF_FORKING))


async def killed_and_made_whole(place: Path, installation_id: str, failpoints: tuple[str, ...]) -> None:
    assert {*failpoints} <= {*PLACES}
    desktop_ids = []
    try:
        # The first overlay of a life that makes a template is the template's; of one that has it, the desktop's.
        for failpoint in failpoints:
            desktop_ids.append(SystemIds().new_id())
            code = await run(place, installation_id, desktop_ids[-1], failpoint)
            assert code == -signal.SIGKILL, failpoint
            assert bool(templates(place)) == (failpoint not in BEFORE_IT_IS_KEPT), failpoint

        async with lab(place=place, installation_id=installation_id) as at:
            template = await at.template(PROFILE)
            assert templates(place) == [template.manifest.key]
            assert not list((place / "templates" / ".staging").iterdir())
            specs = [at.spec(PROFILE, name=f"killed {n}") for n in range(len(desktop_ids))]
            wanted = zip(specs, desktop_ids, strict=True)
            at.want(*(spec.model_copy(update={"desktop_id": desktop_id}) for spec, desktop_id in wanted))
            await at.ready(*desktop_ids)
            for desktop_id in desktop_ids[-len(OF_FORKING) :]:
                assert (await at.shell(desktop_id, "hostname")).startswith("killed")
            ours = [
                (domain.labels.desktop_id, domain.labels.role)
                for domain in await at.hypervisor.domains()
                if domain.labels is not None and domain.labels.installation_id == installation_id
            ]
            assert set(ours) == {(desktop_id, Role.DESKTOP) for desktop_id in desktop_ids}
            await at.absent(*desktop_ids)
            assert not list((place / "desktops").iterdir())
    finally:
        async with lab(place=place, installation_id=installation_id):
            pass  # its end takes away what a life that was killed left


def templates(place: Path) -> list[str]:
    """The keys of the templates that are whole."""
    return [entry.name for entry in (place / "templates").iterdir() if entry.name != ".staging"]
