"""Pages: the portal for people and the console for administrators, server-rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import RedirectResponse, Response

from frazil.controller.portal.console.desktops import Desktops
from frazil.controller.portal.console.groups import Groups
from frazil.controller.portal.console.history import History
from frazil.controller.portal.console.hosts import Hosts
from frazil.controller.portal.console.images import Images
from frazil.controller.portal.console.open_sessions import OpenSessions
from frazil.controller.portal.console.overview import Overview
from frazil.controller.portal.console.pools import Pools
from frazil.controller.portal.console.users import Users
from frazil.controller.portal.dispatch import Access, Call, Entry, Portal
from frazil.controller.portal.pages.account import Account
from frazil.controller.portal.pages.entrance import Entrance
from frazil.controller.portal.pages.home import Home
from frazil.controller.portal.pages.sessions import Sessions
from frazil.controller.portal.reader import load_languages
from frazil.controller.portal.security import SecurityHeaders
from frazil.controller.portal.static_files import VersionedFiles
from frazil.controller.portal.templating import STATIC_DIR, STATIC_PATH, Assets, Templates
from frazil.model.clock import Clock
from frazil.runtime import SystemClock
from frazil.settings import Settings

if TYPE_CHECKING:
    from frazil.controller.services import Services

__all__ = ["entries", "mount"]


def mount(app: FastAPI, services: Services, settings: Settings, *, clock: Clock | None = None) -> None:
    """Add all pages, their static files and their security headers to `app`, before it starts.

    It reads `request.state.identity` (an `Identity` or None) and `request.state.remote_address`, and sets
    `app.state.render_problem`, which turns a `wire.rest.Problem` met elsewhere into a page.
    """
    languages = load_languages()
    portal = Portal(
        services=services,
        settings=settings,
        languages=languages,
        templates=Templates(languages, Assets()),
        clock=clock or SystemClock(),
    )
    app.mount(STATIC_PATH, VersionedFiles(directory=STATIC_DIR), name="static")
    app.router.routes.extend(portal.routes(entries(portal)))
    app.add_middleware(SecurityHeaders)
    app.state.render_problem = portal.problem


def entries(portal: Portal) -> list[Entry]:
    """The table of all pages: method, path, who may call it."""

    async def icon(call: Call) -> Response:
        return RedirectResponse(f"{STATIC_PATH}/favicon.svg", status_code=308)

    own = (Entrance, Home, Sessions, Account)
    console = (Overview, Hosts, Images, Pools, Desktops, OpenSessions, Users, Groups, History)
    return [
        Entry("GET", "/favicon.ico", Access.ANYBODY, icon),
        *(entry for part in (*own, *console) for entry in part(portal).entries()),
    ]
