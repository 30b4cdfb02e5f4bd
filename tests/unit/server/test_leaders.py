"""Of several controllers, a server does what the one wants that leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from frazil.runtime import SystemClock
from frazil.server.app import Server
from frazil.server.host_identity import Identity
from frazil.settings import Settings
from frazil.wire.hostlink import Desired
from tests.fakes.hypervisor import FakeHypervisor
from tests.harness.fake_server import CAPABILITIES


async def test_what_a_former_leader_wants_is_not_done(make_settings: Callable[[], Settings]) -> None:
    settings = make_settings()
    settings.desktops_dir.mkdir(parents=True)
    async with asyncio.TaskGroup() as tasks:
        server = Server(
            settings,
            clock=SystemClock(),
            identity=Identity(installation_id="i", host_id="h"),
            hypervisor=FakeHypervisor(settings.state_dir / "hypervisor", installation_id="i"),
            network=None,
            capabilities=CAPABILITIES,
            joined=None,
            tasks=tasks,
        )
        taken_in = []
        # Without a term: of a controller of before terms, which is alone.
        for generation, term in ((5, 2), (9, 1), (6, 2), (7, 3), (8, 0), (20, 2)):
            server._want(Desired(generation=generation, term=term, desktops=[], images=[]))
            taken_in.append((await server._observe()).generation)
    assert taken_in == [5, 5, 6, 7, 8, 8]
