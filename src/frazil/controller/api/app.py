"""Putting the API together."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from frazil import __version__
from frazil.controller.api import desktops, events, groups, machines, people, pools, problems, sessions
from frazil.controller.api.callers import Callers
from frazil.controller.api.endpoints import Endpoint, add
from frazil.controller.api.limits import BodyLimit
from frazil.controller.api.timing import Timed
from frazil.controller.services import Services

PREFIX = "/api/v1"

TABLES: dict[str, tuple[Endpoint, ...]] = {
    "People": people.ENDPOINTS,
    "Groups": groups.ENDPOINTS,
    "Pools": pools.ENDPOINTS,
    "Hosts and images": machines.ENDPOINTS,
    "Desktops": desktops.ENDPOINTS,
    "Sessions": sessions.ENDPOINTS,
    "Events": events.ENDPOINTS,
}


def create(services: Services) -> FastAPI:
    """The application with the API; pages are mounted beside it."""
    app = bare()
    app.state.services = services
    # The last one added is the first to see a request.
    app.add_middleware(Callers, services=services)
    app.add_middleware(BodyLimit)
    app.add_middleware(Timed, measuring=services.measuring)
    return app


def bare() -> FastAPI:
    """Routes and error handlers only, for generating the reference."""
    app = FastAPI(
        title="Frazil",
        version=__version__,
        summary="Open virtual desktop infrastructure",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.router.routes.extend(_routes())
    return app


@cache
def _routes() -> list[BaseRoute]:
    """Every call's route. FastAPI takes long to make one, and nothing in it belongs to an application."""
    router = APIRouter()
    for tag, endpoints in TABLES.items():
        add(router, endpoints, prefix=PREFIX, tag=tag)
    return router.routes
