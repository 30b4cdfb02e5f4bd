"""The controller is killed while a desktop is deleted and restored: its host is never told to remove the disk."""

from __future__ import annotations

import asyncio

import httpx

from frazil import failpoint
from frazil.model.desktop import Power
from frazil.wire.hostlink import DesktopObservation, DesktopSpec
from tests.integration.controller.asking import image_and_pool, user
from tests.integration.controller.stage import Controller, Host, connected, until


class Remembering(Host):
    """Keeps all that it was told of desktops."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.told: list[DesktopSpec] = []

    def _one(self, spec: DesktopSpec) -> DesktopObservation:
        self.told.append(spec)
        return super()._one(spec)


async def _killed(controller: Controller, place: str, method: str, path: str) -> bool:
    """Ask for it with a controller that dies at `place`, then with one that lives; whether the first died by then."""
    controller.kill()
    controller.start(failpoint=place)
    assert controller.process is not None
    async with controller.http() as http:
        try:
            await http.request(method, path)
        except httpx.TransportError:
            await asyncio.to_thread(controller.process.wait, 20)
    died = controller.died()
    controller.kill()
    controller.start()
    async with controller.http() as http:
        answer = await http.request(method, path)
        assert answer.status_code in (202, 409), answer.text
    return died


async def test_killed_anywhere_while_it_is_deleted_and_restored_nothing_of_it_is_lost(controller: Controller) -> None:
    assert "controller.planned" in failpoint.PLACES
    controller.start()
    host = Remembering(controller)
    async with connected(host):
        async with controller.http() as http:
            await image_and_pool(http, spares=0)
            own = {"name": "own", "image": "debian", "kind": "persistent", "spares": 0}
            assert (await http.post("/api/v1/pools", json=own)).status_code == 201
            await user(http, "ann")
            assert (await http.put("/api/v1/pools/own/users/ann")).status_code == 204
            assert (await http.post("/api/v1/pools/own/desktops", json={"user": "ann"})).status_code == 201

        async def phase(wanted: str, *, deleted: bool = False) -> bool:
            async with controller.http() as http:
                listed = (await http.get("/api/v1/desktops", params={"deleted": deleted})).json()["items"]
            return [one["phase"] for one in listed] == [wanted]

        await until(lambda: phase("ready"))
        deaths = 0
        for nth in (1, 2, 3):
            deaths += await _killed(controller, f"controller.planned:{nth}", "DELETE", "/api/v1/desktops/own-1")
            await until(lambda: phase("stopped", deleted=True))
            deaths += await _killed(controller, f"controller.planned:{nth}", "POST", "/api/v1/desktops/own-1/restore")
            await until(lambda: phase("stopped"))
            async with controller.http() as http:
                assert (await http.post("/api/v1/desktops/own-1/start")).status_code == 202
            await until(lambda: phase("ready"))
    assert deaths
    assert {spec.power for spec in host.told} == {Power.RUNNING, Power.STOPPED}
    assert all(spec.keep_disk for spec in host.told)
    assert len({spec.desktop_id for spec in host.told}) == 1
