"""Reading measurements by the API, and what calls add to them."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from frazil.controller.metrics import CONTENT_TYPE
from frazil.controller.store import Store
from frazil.model.errors import Unavailable
from frazil.wire.rest import PoolRequest
from tests.unit.controller.clients import People
from tests.unit.controller.world import World


def _value(text: str, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


async def test_whoever_may_reads_what_was_found_and_what_happened(world: World, people: People) -> None:
    await world.services.measuring.begin()
    await world.image()
    await world.services.pools.create(world.root, PoolRequest(name="desk", image="debian", spares=1))
    await world.settle()
    assert (await people.boss.get("/pools/desk")).status_code == 200
    assert (await people.boss.get("/pools/none")).status_code == 404
    assert (await people.boss.get("/nothing/at/all")).status_code == 404
    assert (await people.boss.request("BREW", "/pools")).status_code in (404, 405)
    answer = await people.audrey.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    assert answer.headers["cache-control"] == "no-store"
    text = answer.text
    assert _value(text, "frazil_pool_spares_wanted", pool="desk") == 1
    assert _value(text, "frazil_events_total", kind="pool.created", outcome="done") == 1
    calls = "frazil_request_seconds_count"
    assert _value(text, calls, route="/api/v1/pools/{pool}", method="GET", status="2xx") == 1
    assert _value(text, calls, route="/api/v1/pools/{pool}", method="GET", status="4xx") == 1
    assert _value(text, calls, route="unknown", status="4xx") == 1
    assert _value(text, calls, method="BREW") is None
    again = (await people.root.get("/metrics")).text
    assert _value(again, "frazil_events_total", kind="pool.created", outcome="done") == 1, "each is counted once"


async def test_others_may_not(people: People) -> None:
    for who in (people.bob, people.hedy):
        answer = await who.get("/metrics")
        assert answer.status_code == 403
        assert "read measurements" in answer.json()["detail"]
    assert (await people.nobody.get("/metrics")).status_code == 401


async def test_while_the_database_is_away_the_rest_is_told(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.settle()

    async def away(self: Store, work: object) -> None:
        raise Unavailable("The database can't be used right now.")

    monkeypatch.setattr(Store, "read", away)
    world.clock.advance(100)
    answer = await people.root.get("/metrics")
    assert answer.status_code == 200
    age_s = _value(answer.text, "frazil_look_age_seconds")
    assert age_s is not None
    assert age_s >= 100


async def test_a_call_that_breaks_is_counted_as_one_that_failed(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: object, **more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(world.services.hosts), "strays", broken)
    assert (await people.root.get("/strays")).status_code == 500
    text = (await people.root.get("/metrics")).text
    assert _value(text, "frazil_request_seconds_count", route="/api/v1/strays", status="5xx") == 1
