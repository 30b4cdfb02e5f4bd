"""Clients of several people, signed in by cookie as a browser is, on an application without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import get_args

import httpx
from fastapi import FastAPI

from frazil.controller.api.callers import Listener, On
from frazil.controller.identity.cookies import COOKIE_NAME
from frazil.wire.rest import GroupRequest, LoginRequest, Role
from tests.unit.controller.world import EASY, World

OF_ROLE: dict[Role, str] = {
    "user": "bob",
    "helpdesk": "hedy",
    "pool-admin": "polly",
    "auditor": "audrey",
    "administrator": "boss",
}
WHO = ("nobody", "bob", "mia", "ann", "hedy", "polly", "audrey", "boss")
"""Bob is a user, Mia one in the group "class", Ann one whose things the tests are about; the others are of a role."""

assert set(OF_ROLE) == set(get_args(Role))


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """`root` comes by the local socket."""

    nobody: httpx.AsyncClient
    ann: httpx.AsyncClient
    bob: httpx.AsyncClient
    mia: httpx.AsyncClient
    hedy: httpx.AsyncClient
    polly: httpx.AsyncClient
    audrey: httpx.AsyncClient
    boss: httpx.AsyncClient
    root: httpx.AsyncClient

    def named(self, name: str) -> httpx.AsyncClient:
        found: httpx.AsyncClient = getattr(self, name)
        return found


@asynccontextmanager
async def people_of(world: World, app: FastAPI, *, base: str) -> AsyncIterator[People]:
    """Everybody is made; `base` is the path that addresses begin with."""
    for name in ("ann", "mia"):
        await world.user(name)
    for role, name in OF_ROLE.items():
        await world.user(name, role=role)
    await world.services.groups.create(world.root, GroupRequest(name="class"))
    await world.services.groups.join(world.root, "class", "mia")
    async with AsyncExitStack() as stack:

        async def client(name: str | None, listener: Listener = Listener.PUBLIC) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(On(app, listener), raise_app_exceptions=False)
            made = httpx.AsyncClient(transport=transport, base_url=f"https://frazil.test{base}")
            if name is not None:
                request = LoginRequest.model_validate({"name": name, "password": EASY})
                signed_in = await world.services.logins.sign_in(request, remote_address=None)
                made.headers["Cookie"] = f"{COOKIE_NAME}={signed_in.cookie}"
                made.headers["X-CSRF-Token"] = signed_in.login.csrf_token
            return await stack.enter_async_context(made)

        yield People(
            nobody=await client(None),
            root=await client(None, Listener.LOCAL),
            **{name: await client(name) for name in WHO if name != "nobody"},
        )
