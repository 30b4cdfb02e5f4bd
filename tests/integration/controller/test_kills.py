"""The controller is killed at each of its failpoints while desktops are being made."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from frazil import failpoint
from tests.integration.controller.asking import image_and_pool, ready, signed_in, user
from tests.integration.controller.stage import Controller, Host, connected, until


@pytest.mark.parametrize("place_name", [name for name in failpoint.PLACES if name.startswith("controller.")])
async def test_killed_at_every_failpoint_twenty_desktops_become_ready_none_twice(
    controller: Controller, place_name: str
) -> None:
    controller.start()
    host = Host(controller)
    async with connected(host):
        async with controller.http() as http:
            await image_and_pool(http, spares=0)
            await user(http, "ann", "administrator")
            version = (await http.get("/api/v1/pools/desk")).headers["etag"]

            async def image_ready() -> bool:
                return bool((await http.get("/api/v1/images/debian")).json()["state"] == "ready")

            await until(image_ready)
        async with signed_in(controller, "ann") as ann:
            token = (await ann.post("/api/v1/tokens", json={"name": "t"})).json()["token"]
        controller.kill()
        async with controller.http() as http:

            async def ask_for_twenty_and_one() -> None:
                answer = await http.patch("/api/v1/pools/desk", json={"spares": 20}, headers={"If-Match": version})
                assert answer.status_code in (200, 412)
                headers = {"Authorization": f"Bearer {token}"}
                opened = await http.post("/api/v1/sessions", json={"pool": "desk"}, headers=headers)
                assert opened.status_code == 201

            async def dead_or_done() -> bool:
                return controller.died() or bool(await ready(http, 21))

            deaths = 0
            for nth in (1, 2, 3, 5, 8):
                controller.start(failpoint=f"{place_name}:{nth}")
                assert controller.process is not None
                try:
                    await ask_for_twenty_and_one()
                    await until(dead_or_done)
                except httpx.TransportError:
                    # It died under the request: there is nothing else that can cut the line.
                    await asyncio.to_thread(controller.process.wait, 20)
                deaths += controller.died()
                controller.kill()
            assert deaths
            controller.start()
            await ask_for_twenty_and_one()
            found = await until(lambda: ready(http, 21))
            assert {one["id"] for one in found} == set(host.domains)
            assert len({one["name"] for one in found}) == 21
            assert len([one for one in found if one["user_name"] == "ann"]) == 1
    assert len(host.made) == len(set(host.made)) == 21
