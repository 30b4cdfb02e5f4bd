"""The controller is killed at each of its failpoints while a host is emptied for maintenance."""

from __future__ import annotations

import httpx
import pytest

from frazil import failpoint
from tests.integration.controller.asking import image_and_pool, ready, signed_in, user
from tests.integration.controller.stage import Controller, Host, connected, until

OTHER = "01900000-0000-7000-8000-00000000cccc"
SPARES = 6


@pytest.mark.parametrize("place_name", ["controller.planned", "controller.created", "controller.sent"])
async def test_killed_while_a_host_is_emptied_its_spares_are_elsewhere_in_the_end(
    controller: Controller, place_name: str
) -> None:
    assert place_name in failpoint.PLACES
    controller.start()
    first, other = Host(controller, name="first"), Host(controller, host_id=OTHER, name="other")
    async with connected(first), controller.http() as http:
        await image_and_pool(http, spares=SPARES)
        await until(lambda: ready(http, SPARES))
        assert len(first.domains) == SPARES
        async with connected(other):

            async def image_there() -> bool:
                return len((await http.get("/api/v1/hosts")).json()["items"]) == 2

            await until(image_there)
            assert (await http.put("/api/v1/hosts/first/maintenance")).status_code == 200
            controller.kill()

            async def empty() -> bool:
                try:
                    answer = await http.get("/api/v1/hosts/first")
                except httpx.TransportError:
                    return False
                return answer.status_code == 200 and bool(answer.json()["maintenance"]["done"])

            async def dead_or_empty() -> bool:
                return controller.died() or await empty()

            deaths = 0
            for nth in (1, 2, 3, 5):
                controller.start(failpoint=f"{place_name}:{nth}")
                await until(dead_or_empty)
                deaths += controller.died()
                controller.kill()
            assert deaths
            controller.start()
            await until(empty)
            found = await until(lambda: ready(http, SPARES))
            assert {one["host_name"] for one in found} == {"other"}
            assert {one["id"] for one in found} == set(other.domains)
            assert first.domains == {}
            # It takes desktops again as soon as that is wanted.
            assert (await http.delete("/api/v1/hosts/first/maintenance")).json()["maintenance"] is None


async def test_who_waits_is_told_of_the_host_and_gets_one_when_maintenance_ends(controller: Controller) -> None:
    controller.start()
    host = Host(controller)
    async with connected(host), controller.http() as http:
        await image_and_pool(http, spares=0)
        await user(http, "ann", "administrator")
        assert (await http.put("/api/v1/hosts/here/maintenance")).status_code == 200
        tokens = await _token(controller)
        opened = await http.post("/api/v1/sessions", json={"pool": "desk"}, headers=tokens)
        desktop_id = opened.json()["session"]["desktop"]["id"]

        async def refused() -> bool:
            answer = (await http.get(f"/api/v1/desktops/{desktop_id}/explanation")).json()
            return [one["code"] for one in answer["refusals"]] == ["maintenance"]

        await until(refused)
        assert host.domains == {}
        assert (await http.delete("/api/v1/hosts/here/maintenance")).status_code == 200
        [found] = await until(lambda: ready(http, 1))
        assert found["id"] == desktop_id
        explained = (await http.get(f"/api/v1/desktops/{desktop_id}/explanation")).json()
        assert (explained["host_name"], explained["placement"]["able"]) == ("here", 1)


async def _token(controller: Controller) -> dict[str, str]:
    async with signed_in(controller, "ann") as ann:
        secret = (await ann.post("/api/v1/tokens", json={"name": "t"})).json()["token"]
    return {"Authorization": f"Bearer {secret}"}
