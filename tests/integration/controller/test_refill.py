"""A spare that is taken is replaced at once: the host is asked for the next one within 50 ms of its being taken.

Whatever else keeps the disk busy holds up each commit, so a round's median counts, and one round of at most three has
to show it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from statistics import median

import httpx

from tests.integration.controller.asking import image_and_pool, ready, signed_in, user
from tests.integration.controller.stage import Controller, Host, connected, until

ROUNDS = 3
PEOPLE = 7
SPARES = 3
GOAL_S = 0.05


async def test_a_taken_spare_is_replaced_within_50_ms(controller: Controller) -> None:
    controller.start()
    host = Host(controller)
    rounds: list[list[float]] = []
    async with connected(host), controller.http() as http:
        await image_and_pool(http, spares=SPARES)
        await until(lambda: ready(http, SPARES))
        for first in range(0, ROUNDS * PEOPLE, PEOPLE):
            rounds.append([await _replaced_in_s(controller, host, http, n) for n in range(first, first + PEOPLE)])
            if median(rounds[-1]) <= GOAL_S:
                return
    raise AssertionError(f"none of {ROUNDS} rounds had a median within {GOAL_S} s: {rounds}")


async def _replaced_in_s(controller: Controller, host: Host, http: httpx.AsyncClient, n: int) -> float:
    """One more person takes a spare, as the `n`th since the start. How long until the host is asked for the next."""
    await user(http, f"person{n}", "administrator")
    async with signed_in(controller, f"person{n}") as person:
        known = set(host.asked_at)
        opened = await person.post("/api/v1/sessions", json={"pool": "desk"})
    assert opened.json()["ticket"] is not None, "a spare was there"
    new = await until(partial(_new, host, known))
    await until(partial(ready, http, SPARES + n + 1))
    taken_at = datetime.fromisoformat(opened.json()["session"]["created_at"])
    return (host.asked_at[new] - taken_at).total_seconds()


async def _new(host: Host, known: set[str]) -> str | None:
    await asyncio.sleep(0)
    return next(iter(set(host.asked_at) - known), None)
