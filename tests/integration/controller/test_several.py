"""Several controllers on one PostgreSQL: all serve, one leads, any may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from frazil.controller.leadership import LEASE_S, RENEW_S
from tests.harness.postgresql import PostgreSQL, installed
from tests.integration.controller.asking import image_and_pool, ready, user
from tests.integration.controller.stage import PNG, Controller, Host, connected, until

TAKEOVER_S = 10.0
SPARES = 6
PEOPLE = 8
STORM_S = float(os.environ.get("FRAZIL_STORM_S", "12"))
"""For how long one controller after the other is killed; `make soak` has ten minutes of it."""
KILL_EVERY_S = 4.0
Pair = tuple[Controller, Controller]


def _show(log: Path) -> None:
    """Where a test fails, it is shown with it."""
    print(log.read_text())


def made(place: Path, url: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        pair = [
            stack.enter_context(Controller(place, number=number, controllers=2, database_url=url)) for number in (1, 2)
        ]
        for one in pair:
            stack.callback(_show, one.log)
            one.start()
        yield pair[0], pair[1]


@pytest.fixture
def pair(place: Path, postgresql: PostgreSQL) -> Iterator[Pair]:
    """Two that run; the first one leads."""
    yield from made(place, postgresql.database())


async def _is_ready(one: Controller, count: int) -> list[dict[str, Any]]:
    async with one.http() as http:
        found: list[dict[str, Any]] = await until(lambda: ready(http, count))
        return found


@asynccontextmanager
async def _filled(pair: Pair) -> AsyncIterator[Host]:
    """A pool with spares on a host."""
    async with connected(Host(pair[0])) as host:
        async with pair[0].http() as http:
            await image_and_pool(http, spares=SPARES, most=500)
        await _is_ready(pair[0], SPARES)
        yield host


async def _open(pair: Pair, headers: dict[str, str]) -> httpx.Response:
    """Asked of one controller, and of the other when it dies under the call: what a gateway does."""
    for one in cycle(pair):
        with contextlib.suppress(httpx.TransportError):
            async with one.http(one.at.public) as http:
                return await http.post("/api/v1/sessions", json={"pool": "desk"}, headers=headers)
        await asyncio.sleep(0.05)
    raise AssertionError


async def _tokens(pair: Pair, count: int) -> list[dict[str, str]]:
    """So many people, each by what proves who they are."""
    found = []
    for nth in range(count):
        async with pair[0].http() as http:
            await user(http, f"p{nth}")
            answer = await http.put(f"/api/v1/pools/desk/users/p{nth}")
            assert answer.is_success, answer.text
        async with pair[nth % 2].http(pair[nth % 2].at.public) as http:
            login = await http.post("/api/v1/logins", json={"name": f"p{nth}", "password": "correct horse battery"})
            cookie = {
                "Cookie": login.headers["set-cookie"].split(";", 1)[0],
                "X-CSRF-Token": login.json()["csrf_token"],
            }
            token = await http.post("/api/v1/tokens", json={"name": "t"}, headers=cookie)
            assert token.status_code == 201, token.text
            found.append({"Authorization": f"Bearer {token.json()['token']}"})
    return found


async def test_what_one_is_told_the_other_knows_at_once(pair: Pair) -> None:
    async with _filled(pair) as host:
        (headers,) = await _tokens(pair, 1)
        for one in reversed(pair):  # first of the one that does not lead
            taken = len(host.made)
            async with one.http(one.at.public) as http:
                answer = await http.post("/api/v1/sessions", json={"pool": "desk"}, headers=headers)
                assert answer.status_code == 201, answer.text
                session = answer.json()["session"]

                async def replaced(taken: int = taken) -> bool:
                    return len(host.made) > taken

                await until(replaced, seconds=5)  # the poll behind the events comes after 15 s
                picture = await http.get(f"/api/v1/desktops/{session['desktop']['id']}/screenshot", headers=headers)
                assert picture.content == PNG, "each controller can ask each host"
                ended = await http.delete(f"/api/v1/sessions/{session['id']}", headers=headers)
                assert ended.is_success, ended.text


async def test_why_a_desktop_waits_is_known_to_each(pair: Pair) -> None:
    async with _filled(pair):
        async with pair[0].http() as http:
            huge = {"name": "huge", "image": "debian", "profile": {"memory_mib": 1 << 20}, "max_desktops": 1}
            made_one = await http.post("/api/v1/pools", json=huge)
            assert made_one.status_code == 201, made_one.text
            (headers,) = await _tokens(pair, 1)
            assert (await http.put("/api/v1/pools/huge/users/p0")).is_success
        async with pair[0].http(pair[0].at.public) as http:
            answer = await http.post("/api/v1/sessions", json={"pool": "huge"}, headers=headers)
            assert answer.status_code == 201, answer.text
        for one in pair:

            async def says_why(one: Controller = one) -> bool:
                async with one.http() as http:
                    return "memory" in (await http.get("/api/v1/desktops/huge-1")).json()["why"]

            await until(says_why)


async def test_after_the_leaders_death_the_other_leads_within_ten_seconds(pair: Pair) -> None:
    async with _filled(pair) as host:
        headers = await _tokens(pair, 2)
        for leads, follows, person in ((pair[0], pair[1], headers[0]), (pair[1], pair[0], headers[1])):
            taken = len(host.made)
            leads.kill()
            died_s = time.monotonic()
            async with follows.http(follows.at.public) as http:
                answer = await http.post("/api/v1/sessions", json={"pool": "desk"}, headers=person)
                assert answer.status_code == 201, answer.text
                assert answer.json()["ticket"], "a spare is given out while nobody leads"

            async def replaced(taken: int = taken) -> bool:
                return len(host.made) > taken

            await until(replaced)
            assert time.monotonic() - died_s < TAKEOVER_S
            leads.start()
            await _is_ready(leads, len(host.domains))  # it has heard of the host
        assert len(set(host.made)) == len(host.made)


async def test_a_leader_that_ends_in_order_is_followed_at_once(pair: Pair) -> None:
    async with _filled(pair):
        began_s = time.monotonic()
        assert pair[0].stop() == 0

        async def follows() -> bool:
            return "leads=True" in pair[1].log.read_text()

        await until(follows)
        assert time.monotonic() - began_s < LEASE_S - RENEW_S


async def test_a_leader_that_stood_still_writes_nothing_when_it_goes_on(pair: Pair) -> None:
    """SIGSTOP: it does not know that its lease is over."""
    async with _filled(pair) as host:
        (headers,) = await _tokens(pair, 1)
        stopped = pair[0].process
        assert stopped is not None
        stopped.send_signal(19)
        try:

            async def follows() -> bool:
                return "leads=True" in pair[1].log.read_text()

            await until(follows)
            term = host.term
            async with pair[1].http(pair[1].at.public) as http:
                answer = await http.post("/api/v1/sessions", json={"pool": "desk"}, headers=headers)
                assert answer.status_code == 201, answer.text
        finally:
            stopped.send_signal(18)
        found = await _is_ready(pair[0], SPARES + 1)
        assert {one["id"] for one in found} == set(host.domains)
        assert len(set(host.made)) == len(host.made) == SPARES + 1
        assert host.term >= term


@dataclass(slots=True)
class _Told:
    """What controllers have answered, which must be so ever after."""

    open: dict[int, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    visits: int = 0


async def _person(pair: Pair, nth: int, headers: dict[str, str], told: _Told, over: asyncio.Event) -> None:
    """Opens a session and ends it, again and again, at whatever controller answers."""
    chance = random.Random(nth)
    while not over.is_set():
        opened = await _open(pair, headers)
        assert opened.status_code == 201, opened.text
        session_id = opened.json()["session"]["id"]
        assert session_id not in told.ended, "what has ended stays ended"
        told.open[nth] = session_id
        told.visits += 1
        if chance.random() < 0.5:
            again = await _open(pair, headers)
            assert again.status_code == 201, again.text
            assert again.json()["session"]["id"] == session_id, "a person has one session in a pool"
        del told.open[nth]
        while True:
            one = chance.choice(pair)
            with contextlib.suppress(httpx.TransportError):
                async with one.http(one.at.public) as http:
                    ended = await http.delete(f"/api/v1/sessions/{session_id}", headers=headers)
                    assert ended.is_success or ended.status_code == 404, ended.text
                    break
            await asyncio.sleep(0.05)
        told.ended.add(session_id)


@pytest.mark.timeout(120 + 2 * STORM_S)
async def test_controllers_killed_in_a_storm_lose_nothing_and_give_nothing_twice(pair: Pair) -> None:
    told, over = _Told(), asyncio.Event()
    async with _filled(pair) as host:
        everybody = await _tokens(pair, PEOPLE)
        async with asyncio.TaskGroup() as tasks:
            for nth, headers in enumerate(everybody):
                tasks.create_task(_person(pair, nth, headers, told, over))
            until_s = time.monotonic() + STORM_S
            for one in cycle(pair):
                await asyncio.sleep(KILL_EVERY_S)  # the storm's own pace
                if time.monotonic() > until_s:
                    break
                one.kill()
                await asyncio.to_thread(one.start)
            over.set()
        stay = [await _open(pair, headers) for headers in everybody]
        desktops = [answer.json()["session"]["desktop"]["id"] for answer in stay]
        assert len(set(desktops)) == PEOPLE, "no desktop is given to two people"
        found = await _is_ready(pair[0], SPARES + PEOPLE)
        taken = {one["id"] for one in found if one["user_name"]}
        assert taken == set(desktops)
        async with pair[1].http() as http:
            sessions = (await http.get("/api/v1/sessions", params={"limit": 500})).json()["items"]
        assert {one["id"] for one in sessions} == {answer.json()["session"]["id"] for answer in stay}
        assert {one["id"] for one in found} == set(host.domains)
        assert len(set(host.made)) == len(host.made), "no desktop was started twice"
        assert told.visits > PEOPLE


async def test_a_database_that_dies_is_waited_for(place: Path) -> None:
    """Its own server: the others' tests go on."""
    if not installed():
        pytest.skip("PostgreSQL is not installed; `make test` installs it")
    with PostgreSQL() as database, contextlib.contextmanager(made)(place, database.database()) as pair:
        async with _filled(pair) as host:
            first, second = await _tokens(pair, 2)
            kept = (await _open(pair, first)).json()["session"]
            await _is_ready(pair[0], SPARES + 1)
            domains = dict(host.domains)
            database.kill()
            refused = await _open(pair, second)
            assert refused.status_code == 503, refused.text
            assert "database" in refused.json()["detail"], "it says what is the matter"
            database.start()

            async def opened() -> bool:
                return (await _open(pair, second)).status_code == 201

            await until(opened)
            again = await _open(pair, first)
            assert again.json()["session"]["id"] == kept["id"]
            await _is_ready(pair[0], SPARES + 2)
            assert domains.items() <= host.domains.items(), "no desktop was touched"
        for one in pair:
            assert not one.died()
