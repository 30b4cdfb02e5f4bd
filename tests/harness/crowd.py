"""Many people who are signed in already, and what they ask of a controller."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from argon2 import PasswordHasher

from frazil.controller.identity.cookies import COOKIE_NAME, LOGIN_LASTS
from frazil.controller.identity.csrf import HEADER
from frazil.controller.identity.secrets import csrf_of, digest
from frazil.controller.store import engine, groups, logins, people
from frazil.runtime import SystemIds

PASSWORD = "correct horse battery"
GROUP = "everybody"
ANSWERED_S = 60.0
KEPT_S = 2.0
"""uvicorn closes what is unused after 5 s, perhaps while the next request is on its way."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a living login."""

    name: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Called:
    """One session call. seconds: from when it was due until its answer; desktop: its id, if one was given."""

    visitor: str
    status: int
    seconds: float
    desktop: str | None
    ticket: bool = False


def invite(database_url: str, count: int) -> list[Visitor]:
    """Make people, members of the group `GROUP`, signed in: written to the database, with one hash for all.

    To make them by the API takes a hash for each person and another for each sign-in.
    """
    ids, now = SystemIds(), datetime.now(UTC)
    password_hash = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1).hash(PASSWORD)
    visitors = [Visitor(f"visitor-{number}", ids.new_secret(32)) for number in range(count)]
    engines = engine.make(database_url)
    try:
        with engines.write.begin() as tx:
            group = groups.find(tx, GROUP)
            assert group is not None
            for visitor in visitors:
                id = ids.new_id()
                people.insert(
                    tx, id=id, name=visitor.name, display_name=visitor.name, role="user", password_hash=password_hash,
                    now=now,
                )  # fmt: skip
                groups.join(tx, group_id=group.id, user_id=id, now=now)
                logins.insert(
                    tx, id=ids.new_id(), secret_hash=digest(visitor.cookie), user_id=id, now=now,
                    expires_at=now + LOGIN_LASTS, remote_address=None,
                )  # fmt: skip
    finally:
        engines.dispose()
    return visitors


def client(socket: Path) -> httpx.AsyncClient:
    """As the gateway forwards people's requests. A connection is given up before the controller closes it, unused."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_S)
    transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits)
    return httpx.AsyncClient(transport=transport, base_url="http://controller", timeout=ANSWERED_S)


class Callers:
    """Connections of HTTP/1.1 to a controller, as many as calls are under way, each used again for who comes next.

    httpx looks through all of its connections for each request: with thousands of callers it would take more of a
    processor than the controller that they call.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: object, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, EOFError or TimeoutError."""
        reader, writer = await self._line()
        try:
            content = json.dumps(body).encode()
            fields = {
                "Host": "controller",
                "Content-Type": "application/json",
                "Content-Length": len(content),
                **headers,
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            async with asyncio.timeout(ANSWERED_S):
                writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
                status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
                told = dict(line.split(": ", 1) for line in lines if line)
                answer = await reader.readexactly(int(told["content-length"]))
        except BaseException:
            writer.close()
            raise
        self._free.append((time.monotonic(), reader, writer))
        return int(status_line.split()[1]), answer

    async def _line(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            used_s, reader, writer = self._free.pop()
            if time.monotonic() - used_s < KEPT_S:
                return reader, writer
            writer.close()
        return await asyncio.open_unix_connection(self._socket)

    def close(self) -> None:
        for _, _, writer in self._free:
            writer.close()


async def call_in(socket: Path, visitors: Sequence[Visitor], pools: Sequence[str], *, within_s: float) -> list[Called]:
    """Each opens a session in one of the pools, in turn; they come evenly over that time, answered or not."""
    with closing(Callers(socket)) as callers:
        async with asyncio.TaskGroup() as tasks:
            began_s = time.monotonic()
            calls = []
            for number, visitor in enumerate(visitors):
                due_s = began_s + within_s * number / len(visitors)
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                calls.append(tasks.create_task(_open(callers, visitor, pools[number % len(pools)], due_s)))
    return [call.result() for call in calls]


async def _open(callers: Callers, visitor: Visitor, pool: str, due_s: float) -> Called:
    headers = {"Cookie": f"{COOKIE_NAME}={visitor.cookie}", HEADER: csrf_of(visitor.cookie)}
    try:
        status, answer = await callers.post("/api/v1/sessions", {"pool": pool}, headers)
    except (OSError, EOFError):
        return Called(visitor.name, 0, time.monotonic() - due_s, None)
    seconds = time.monotonic() - due_s
    if status != 201:
        return Called(visitor.name, status, seconds, None)
    told = json.loads(answer)
    return Called(visitor.name, 201, seconds, told["session"]["desktop"]["id"], told["ticket"] is not None)


async def sign_in(socket: Path, names: Sequence[str]) -> list[float]:
    """Sign in one after the other by name and password; how long each took. AssertionError for one that is refused."""
    took_s = []
    async with client(socket) as http:
        for name in names:
            began_s = time.monotonic()
            answer = await http.post("/api/v1/logins", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 201, answer.text
            took_s.append(time.monotonic() - began_s)
    return took_s
