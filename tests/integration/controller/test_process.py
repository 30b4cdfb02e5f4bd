"""The controller's process: sockets, restarts, kills at its failpoints, the host link, streams."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from typing import Any

import httpx
import pytest

from frazil.client.client import Client
from frazil.controller import sockets
from frazil.model.errors import Conflict
from frazil.model.policy import ClipboardType, Policy
from frazil.wire.policy import PolicyChange
from frazil.wire.rest import PoolChange
from frazil.wire.sessions import PolicyChanged, Revocation
from tests.integration.controller.asking import image_and_pool, ready, signed_in, user
from tests.integration.controller.stage import HOST, PNG, Controller, Host, connected, until


async def test_sockets_are_made_replaced_when_stale_and_kept_when_alive(controller: Controller) -> None:
    controller.start()
    paths = [
        controller.settings.public_socket,
        controller.settings.local_socket,
        controller.settings.internal_socket,
        controller.settings.hosts_socket,
    ]
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(Conflict, match="Another controller"):
        sockets.listen(controller.settings.local_socket)
    controller.kill()
    assert all(path.exists() for path in paths)  # stale now
    controller.start()
    async with controller.http() as http:
        assert (await http.get("/api/v1/health")).json() == {"status": "ok", "version": "0.1.0"}
    assert controller.stop() == 0
    assert not any(path.exists() for path in paths)


def change_pool(controller: Controller, policy: PolicyChange) -> None:
    with Client.local(controller.settings.local_socket) as client:
        client.change_pool(client.pool("desk"), PoolChange(policy=policy))


async def test_from_an_image_to_a_session_over_the_host_link(controller: Controller) -> None:
    controller.start()
    async with connected(Host(controller)) as host, controller.http() as http:
        await image_and_pool(http)
        [spare] = await until(lambda: ready(http, 1))
        await user(http, "ann")
        assert (await http.put("/api/v1/pools/desk/users/ann")).status_code == 204
        async with signed_in(controller, "ann") as ann:
            opened = (await ann.post("/api/v1/sessions", json={"pool": "desk"})).json()
            assert opened["session"]["desktop"]["id"] == spare["id"]
            picture = await ann.get(f"/api/v1/desktops/{spare['id']}/screenshot")
            assert (picture.headers["content-type"], picture.content) == ("image/png", PNG)
            async with controller.http(controller.settings.internal_socket) as gateway:
                body = {
                    "session_id": opened["session"]["id"],
                    "ticket": opened["ticket"]["ticket"],
                    "remote_address": "192.0.2.1",
                }
                redeemed = await gateway.post("/internal/v1/tickets/redeem", json=body)
                assert redeemed.json()["route"]["host_id"] == HOST
                again = await gateway.post("/internal/v1/tickets/redeem", json=body)
                assert (again.status_code, again.json()["type"]) == (403, "urn:frazil:problem:refused")
                # The next spare is there at once, not at the next poll.
                await until(lambda: ready(http, 2), seconds=10)
                async with gateway.stream("GET", "/internal/v1/revocations?policies=true") as stream:
                    lines = stream.aiter_lines()
                    assert await anext(lines) == ""
                    seen = PolicyChanged.model_validate_json(await anext(lines))  # the pool was made just now
                    assert seen.policy.value() == Policy()
                    took_s = []
                    for filters in (["8,-1,-1,-1,0"], ["3,-1,-1,-1,0"], ["9,-1,-1,-1,0"]):
                        forbid = PolicyChange(clipboard_types=[ClipboardType.TEXT], usb_filters=filters)
                        await asyncio.to_thread(change_pool, controller, forbid)
                        began_s = time.monotonic()
                        changed = PolicyChanged.model_validate_json(await asyncio.wait_for(anext(lines), 30))
                        took_s.append(time.monotonic() - began_s)
                        assert changed.session_id == opened["session"]["id"]
                        assert changed.policy.value() == forbid.applied_to(Policy())
                        assert changed.policy_version > seen.policy_version
                        seen = changed
                    assert min(took_s) < 1
                    ended = await ann.delete(f"/api/v1/sessions/{opened['session']['id']}")
                    assert ended.status_code == 204
                    async with asyncio.timeout(5):
                        told = Revocation.model_validate_json(await anext(lines))
                    assert told.session_id == opened["session"]["id"]
        assert host.generations == sorted(set(host.generations))

        async def gone() -> bool:
            return spare["id"] not in host.domains

        await until(gone)
        [kept] = await until(lambda: ready(http, 1))
        assert set(host.domains) == {kept["id"]}


async def test_a_server_of_another_installation_is_rejected(controller: Controller) -> None:
    controller.start()
    stranger = Host(controller, installation_id="another")
    async with asyncio.timeout(20):
        await stranger.run()
    assert stranger.rejected is not None
    assert stranger.rejected.failure.code == "wrong-installation"
    async with controller.http() as http:
        assert (await http.get("/api/v1/hosts")).json()["items"] == []


async def test_a_newer_connection_of_the_same_host_takes_over(controller: Controller) -> None:
    controller.start()
    first, second = Host(controller), Host(controller)
    async with connected(first), controller.http() as http:
        await image_and_pool(http)
        await until(lambda: ready(http, 1))
        second.domains = first.domains
        first.rejected = None
        async with connected(second):

            async def told() -> bool:
                return bool(second.generations)

            await until(told)
            assert min(second.generations) > max(first.generations[:1])


async def test_nothing_is_lost_when_it_is_killed(controller: Controller) -> None:
    controller.start()
    host = Host(controller)
    async with connected(host):
        async with controller.http() as http:
            await image_and_pool(http, spares=3)
            before = await until(lambda: ready(http, 3))
            await user(http, "ann", "administrator")
        async with signed_in(controller, "ann") as ann, controller.http() as http:
            headers = ann.headers
            opened = (await ann.post("/api/v1/sessions", json={"pool": "desk"})).json()
            await until(lambda: ready(http, 4))
        controller.kill()
        controller.start()
        async with controller.http() as http:
            after = await until(lambda: ready(http, 4))
        assert {one["id"] for one in before} <= {one["id"] for one in after}
        # The login, the session and its ticket go on.
        async with controller.http(controller.settings.public_socket) as ann:
            ann.headers = headers
            shown = await ann.get(f"/api/v1/sessions/{opened['session']['id']}")
            assert shown.json()["desktop"]["id"] == opened["session"]["desktop"]["id"]
        async with controller.http(controller.settings.internal_socket) as gateway:
            body = {
                "session_id": opened["session"]["id"],
                "ticket": opened["ticket"]["ticket"],
                "remote_address": "192.0.2.1",
            }
            assert (await gateway.post("/internal/v1/tickets/redeem", json=body)).status_code == 200
            assert (await gateway.post("/internal/v1/tickets/redeem", json=body)).status_code == 403
        assert len(host.made) == len(set(host.made)) == 4


async def test_events_stream_and_resume(controller: Controller) -> None:
    controller.start()
    async with controller.http() as http:
        await user(http, "ann")
        async with http.stream("GET", "/api/v1/events/stream") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            assert await anext(lines) == ": Frazil's events"
            async with controller.http() as other:
                await user(other, "bob")
            async with asyncio.timeout(30):
                first = await _next_event(lines)
        assert first["data"]["text"] == "The user bob was added."
        await user(http, "cat")
        async with (
            http.stream("GET", "/api/v1/events/stream", headers={"Last-Event-ID": first["id"]}) as stream,
            asyncio.timeout(30),
        ):
            resumed = await _next_event(stream.aiter_lines())
        assert resumed["data"]["text"] == "The user cat was added."


async def _next_event(lines: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async for line in lines:
        if line.startswith("id: "):
            found["id"] = line[4:]
        if line.startswith("data: "):
            found["data"] = json.loads(line[6:])
            return found
    raise AssertionError("the stream ended")


async def test_ten_megabytes_of_json_are_refused_and_it_goes_on(controller: Controller) -> None:
    controller.start()
    huge = json.dumps({"name": "x" * (10 << 20)}).encode()

    async def pieces() -> Any:
        for start in range(0, len(huge), 65536):
            yield huge[start : start + 65536]

    async with controller.http() as http:
        for content in (huge, pieces()):
            try:
                answer = await http.post("/api/v1/pools", content=content, headers={"Content-Type": "application/json"})
            except httpx.WriteError:
                continue  # it closed the line while we still wrote; what it said is in the other test
            assert (answer.status_code, answer.json()["type"]) == (413, "urn:frazil:problem:too-large")
        assert (await http.get("/api/v1/health")).status_code == 200


async def test_a_stop_ends_streams_and_takes_little_time(controller: Controller) -> None:
    controller.start()
    async with (
        connected(Host(controller)),
        controller.http() as http,
        http.stream("GET", "/api/v1/events/stream") as stream,
        asyncio.timeout(30),
    ):
        await anext(stream.aiter_lines())
        assert await asyncio.to_thread(controller.stop) == 0
