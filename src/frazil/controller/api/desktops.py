"""Desktops."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Response

from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint, Permission
from frazil.controller.api.params import Cursor, Limit
from frazil.controller.identity import Right
from frazil.controller.services.desktops import OWNERS_MAY, RIGHT_TO, Action
from frazil.model.desktop import Phase
from frazil.wire.rest import SCREENSHOT_AGE_S, Desktop, Event, Explanation, Page, RestoreRequest

__all__ = ["ENDPOINTS"]

ACTIONS: dict[Action, str] = {
    "start": "Want a desktop running",
    "restart": "Ask a desktop to shut down, and start it again",
    "stop": "Cut a desktop's power",
    "shutdown": "Ask a desktop to shut down",
    "pause": "Pause a desktop",
    "retry": "Try a failed desktop again",
}


async def list_desktops(
    caller: Caller,
    services: Svc,
    pool: str | None = None,
    phase: Phase | None = None,
    mine: bool = False,
    deleted: bool = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Desktop]:
    listed = services.desktops.list_for
    return await listed(caller, pool=pool, phase=phase, mine=mine, deleted=deleted, limit=limit, cursor=cursor)


async def show_desktop(desktop: str, caller: Caller, services: Svc) -> Desktop:
    return await services.desktops.show(caller, desktop)


async def explain_desktop(desktop: str, caller: Caller, services: Svc) -> Explanation:
    return await services.desktops.explain(caller, desktop)


async def delete_desktop(desktop: str, caller: Caller, services: Svc, for_good: bool = False) -> Desktop:
    return await services.desktops.act(caller, desktop, "erase" if for_good else "delete")


async def restore_desktop(desktop: str, caller: Caller, services: Svc, body: RestoreRequest | None = None) -> Desktop:
    return await services.desktops.restore(caller, desktop, body or RestoreRequest())


def _act(action: Action) -> Callable[..., Coroutine[Any, Any, Desktop]]:
    async def act(desktop: str, caller: Caller, services: Svc) -> Desktop:
        return await services.desktops.act(caller, desktop, action)

    return act


async def screenshot(desktop: str, caller: Caller, services: Svc) -> Response:
    png = await services.desktops.screenshot(caller, desktop)
    return Response(png, media_type="image/png", headers={"Cache-Control": f"private, max-age={SCREENSHOT_AGE_S:.0f}"})


async def desktop_events(
    desktop: str, caller: Caller, services: Svc, limit: Limit = 100, cursor: Cursor = None
) -> Page[Event]:
    return await services.desktops.events(caller, desktop, limit=limit, cursor=cursor)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/desktops",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_DESKTOPS,
        handler=list_desktops,
        response=Page[Desktop],
        summary="List your desktops, or all where you may see them",
    ),
    Endpoint(
        method="GET",
        path="/desktops/{desktop}",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_DESKTOPS,
        handler=show_desktop,
        response=Desktop,
        summary="Show a desktop",
    ),
    Endpoint(
        method="GET",
        path="/desktops/{desktop}/explanation",
        permission=Right.SEE_DESKTOPS,
        handler=explain_desktop,
        response=Explanation,
        summary="Say why a desktop is on its host, or why no host takes it",
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/desktops/{{desktop}}/{action}",
            permission=Permission.SIGNED_IN if action in OWNERS_MAY else RIGHT_TO[action],
            others=RIGHT_TO[action] if action in OWNERS_MAY else None,
            handler=_act(action),
            status=202,
            response=Desktop,
            summary=summary,
        )
        for action, summary in ACTIONS.items()
    ),
    Endpoint(
        method="DELETE",
        path="/desktops/{desktop}",
        permission=RIGHT_TO["delete"],
        handler=delete_desktop,
        status=202,
        response=Desktop,
        summary="Delete a desktop: it is kept for its pool's time where it holds what somebody saved, else it goes",
    ),
    Endpoint(
        method="POST",
        path="/desktops/{desktop}/restore",
        permission=RIGHT_TO["delete"],
        handler=restore_desktop,
        status=202,
        response=Desktop,
        summary="Take a desktop out of the recycle bin",
    ),
    Endpoint(
        method="GET",
        path="/desktops/{desktop}/screenshot",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_DESKTOPS,
        handler=screenshot,
        media_type="image/png",
        summary="A picture of a desktop's screen",
    ),
    Endpoint(
        method="GET",
        path="/desktops/{desktop}/events",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_DESKTOPS,
        handler=desktop_events,
        response=Page[Event],
        summary="What happened to a desktop, newest first",
    ),
)
