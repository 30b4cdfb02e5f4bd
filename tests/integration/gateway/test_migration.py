"""A desktop that moves under an open viewer: its host says where to, and the viewer hears the gateway's name."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from frazil.gateway import tls
from frazil.gateway.tls import ensure_certificates
from frazil.runtime import SystemClock
from frazil.spice.main_channel import MainServer, MigrateBegin, MigrateBeginSeamless, SwitchHost
from frazil.spice.records import decode, encode
from frazil.wire.viewer_trust import ViewerTrust
from tests.integration.gateway.played import PlayedBackEnd
from tests.integration.gateway.stage import DEADLINE_S, Connections, SpiceClient, Stage
from tests.integration.gateway.test_links import enter

INSIDE = MigrateBegin(port=5900, tls_port=5901, host=b"host-3.inside\0", cert_subject=b"CN=host-3\0")


def subject(stage: Stage) -> str:
    """What the gateway's certificate is told by, as viewers' files say it."""
    return ViewerTrust.model_validate_json(stage.settings.viewer_trust_file.read_bytes()).host_subject or ""


def gateway(stage: Stage, session_id: str) -> MigrateBegin:
    return MigrateBegin(
        port=0,
        tls_port=stage.port,
        host=session_id.encode() + b"\0",
        cert_subject=subject(stage).encode() + b"\0",
    )


async def sent(viewer: SpiceClient) -> MigrateBegin:
    return decode(MigrateBegin, await viewer.message(MainServer.MIGRATE_BEGIN))


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
async def test_a_viewer_hears_of_no_host(played_stage: Stage, played: PlayedBackEnd, way: str) -> None:
    session_id = played_stage.controller.open_session()
    there = gateway(played_stage, session_id)
    async with played_stage.way(way, session_id) as viewer:
        await enter(played_stage, viewer, session_id)
        link = await played.link()
        await link.say(MainServer.MIGRATE_BEGIN, encode(INSIDE))
        assert await sent(viewer) == there
        seamless = MigrateBeginSeamless(destination=INSIDE, source_version=2)
        await link.say(MainServer.MIGRATE_BEGIN_SEAMLESS, encode(seamless))
        heard = decode(MigrateBeginSeamless, await viewer.message(MainServer.MIGRATE_BEGIN_SEAMLESS))
        assert heard == replace(seamless, destination=there)
        switch = SwitchHost(port=5900, tls_port=5901, host=INSIDE.host, cert_subject=INSIDE.cert_subject)
        await link.say(MainServer.MIGRATE_SWITCH_HOST, encode(switch))
        switched = decode(SwitchHost, await viewer.message(MainServer.MIGRATE_SWITCH_HOST))
        assert switched == replace(
            switch, port=0, tls_port=there.tls_port, host=there.host, cert_subject=there.cert_subject
        )


async def served(stage: Stage) -> str:
    """The common name of the certificate that a new connection is shown."""
    _, writer = await Connections.to(stage).tls()
    ((_, name),) = writer.get_extra_info("ssl_object").getpeercert()["subject"][0]
    writer.close()
    return str(name)


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "LOOK_EVERY_S", 0.02)


async def test_an_open_viewer_hears_of_the_certificate_that_is_served_then(
    looks_often: None, played_stage: Stage, played: PlayedBackEnd
) -> None:
    session_id = played_stage.controller.open_session()
    before = subject(played_stage)
    async with played_stage.tunnel(session_id) as viewer:
        await enter(played_stage, viewer, session_id)
        link = await played.link()
        renewed = replace(played_stage.settings, public_url="https://0.example")
        ensure_certificates(renewed, clock=SystemClock(), owner_gid=None)
        assert before != subject(played_stage) == "CN=0.example"
        async with asyncio.timeout(DEADLINE_S):
            while await served(played_stage) != "0.example":
                """It is looked at soon."""
        await link.say(MainServer.MIGRATE_BEGIN, encode(INSIDE))
        assert await sent(viewer) == gateway(played_stage, session_id)
