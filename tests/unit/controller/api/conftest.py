"""The API's application without a socket, and clients of several people."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from frazil.controller.api import app as api_app
from tests.unit.controller.clients import People, people_of
from tests.unit.controller.world import World


@pytest.fixture
def app(world: World) -> FastAPI:
    return api_app.create(world.services)


@pytest.fixture
async def people(world: World, app: FastAPI) -> AsyncIterator[People]:
    async with people_of(world, app, base=api_app.PREFIX) as made:
        yield made
