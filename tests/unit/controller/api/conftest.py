"""The API's application without a socket, and clients of several people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from frazil.controller.api import app as api_app
from frazil.controller.api.callers import Listener, On
from frazil.controller.identity.cookies import COOKIE_NAME
from frazil.wire.rest import LoginRequest
from tests.unit.controller.world import EASY, World


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Each with a client that is signed in by cookie, as a browser is; `root` comes by the local socket."""

    nobody: httpx.AsyncClient
    ann: httpx.AsyncClient
    bob: httpx.AsyncClient
    boss: httpx.AsyncClient
    root: httpx.AsyncClient

    def named(self, name: str) -> httpx.AsyncClient:
        found: httpx.AsyncClient = getattr(self, name)
        return found


@pytest.fixture
def app(world: World) -> FastAPI:
    return api_app.create(world.services)


@pytest.fixture
async def people(world: World, app: FastAPI) -> AsyncIterator[People]:
    await world.user("ann")
    await world.user("bob")
    await world.user("boss", role="administrator")
    async with AsyncExitStack() as stack:

        async def client(name: str | None, listener: Listener = Listener.PUBLIC) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(On(app, listener), raise_app_exceptions=False)
            made = httpx.AsyncClient(transport=transport, base_url="https://frazil.test/api/v1")
            if name is not None:
                request = LoginRequest.model_validate({"name": name, "password": EASY})
                signed_in = await world.services.logins.sign_in(request, remote_address=None)
                made.headers["Cookie"] = f"{COOKIE_NAME}={signed_in.cookie}"
                made.headers["X-CSRF-Token"] = signed_in.login.csrf_token
            return await stack.enter_async_context(made)

        yield People(
            nobody=await client(None),
            ann=await client("ann"),
            bob=await client("bob"),
            boss=await client("boss"),
            root=await client(None, Listener.LOCAL),
        )
