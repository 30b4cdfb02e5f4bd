"""A host that has joined dials controllers that are new as soon as another one tells it how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from frazil.runtime import SystemClock
from frazil.server.app import Server
from frazil.server.host_identity import Identity
from frazil.server.joining import Joined
from frazil.settings import Settings
from frazil.trust.peers import Peer, make_peers_authority
from frazil.wire.hostlink import Welcome
from tests.fakes.hypervisor import FakeHypervisor
from tests.harness.fake_server import CAPABILITIES
from tests.integration.hosts.test_transfer import INSTALLATION, NOW, trusted


class Over(Exception):
    """The test is."""


async def test_a_new_controller_is_dialled_at_once_and_after_a_restart(
    tmp_path: Path, make_settings: Callable[[], Settings]
) -> None:
    settings = replace(make_settings(), state_dir=tmp_path / "state", cache_dir=tmp_path / "cache")
    settings.desktops_dir.mkdir(parents=True)
    trusted(settings.trust_dir, make_peers_authority(now=NOW), Peer(INSTALLATION, "host", "h"))
    dialled = asyncio.Event()

    def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled.set()
        writer.transport.abort()

    async with await asyncio.start_server(came, "127.0.0.1", 0) as second:
        port = second.sockets[0].getsockname()[1] - 1
        try:
            async with asyncio.TaskGroup() as tasks:
                server = Server(
                    settings,
                    clock=SystemClock(),
                    identity=Identity(INSTALLATION, "h"),
                    hypervisor=FakeHypervisor(settings.state_dir / "hypervisor", installation_id=INSTALLATION),
                    network=None,
                    capabilities=CAPABILITIES,
                    joined=Joined("127.0.0.1", port, 1, settings.trust_dir),
                    tasks=tasks,
                )
                for controllers, links in ((1, 1), (0, 1), (2, 2), (2, 2), (1, 2), (2, 2)):
                    server._welcomed(Welcome(protocol=1, controllers=controllers))
                    assert len(server.links) == links
                async with asyncio.timeout(30):
                    await dialled.wait()
                raise Over
        except* Over:
            assert dialled.is_set()
    assert Joined.of(settings) == Joined("127.0.0.1", port, 2, settings.trust_dir)


def test_a_controller_of_before_does_not_say_how_many_there_are() -> None:
    assert Welcome.model_validate_json('{"type": "welcome", "protocol": 1}').controllers == 0
