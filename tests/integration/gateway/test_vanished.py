"""A native viewer that vanishes while something is on the way to it: its machine lost power, its line was cut."""

from __future__ import annotations

import pytest

from frazil.gateway import entrance
from frazil.spice.main_channel import MainServer
from tests.integration.gateway.played import PlayedBackEnd
from tests.integration.gateway.stage import Stage
from tests.integration.gateway.test_links import enter, told
from tests.integration.gateway.vanishing import vanish


@pytest.mark.parametrize("in_tls", [False, True])
async def test_a_viewer_that_vanished_is_not_connected_any_more(
    played_stage: Stage, played: PlayedBackEnd, monkeypatch: pytest.MonkeyPatch, in_tls: bool
) -> None:
    monkeypatch.setattr(entrance, "UNHEARD_MAX_S", 1)
    session_id = played_stage.controller.open_session()
    async with played_stage.tunnel(session_id, in_tls=in_tls) as viewer:
        await enter(played_stage, viewer, session_id)
        link = await played.link()
        vanish(viewer.writer.get_extra_info("socket"))
        await link.say(MainServer.MULTI_MEDIA_TIME, bytes(4))
        await told(played_stage, session_id, connected=False)
