"""Desktops: find, look at, start, stop, pause, retry, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.dispatch import Call, Entry, Handler, Portal
from frazil.controller.portal.paging import every
from frazil.controller.portal.views import DeletedView, DesktopsView, DesktopView, Form, Listing
from frazil.controller.services.desktops import RIGHT_TO, Action
from frazil.model.desktop import Phase
from frazil.model.errors import FrazilError
from frazil.wire.rest import Desktop, RestoreRequest

DESKTOPS_A_PAGE = 50
EVENTS_SHOWN = 30
_PHASES = {phase.value: n for n, phase in enumerate(Phase)}

SORTS: Mapping[str, Callable[[Desktop], tuple[object, ...]]] = {
    "name": lambda d: (d.name,),
    "state": lambda d: (_PHASES[d.phase.value], d.name),
    "pool": lambda d: (d.pool_name, d.name),
    "person": lambda d: (d.user_name is None, d.user_name or "", d.name),
    "host": lambda d: (d.host_name is None, d.host_name or "", d.name),
    "since": lambda d: (d.started_at or d.created_at, d.name),
}


class Desktops:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/console/desktops", Right.SEE_DESKTOPS, self.index),
            Entry("GET", "/console/deleted-desktops", Right.SEE_DESKTOPS, self.deleted),
            Entry("GET", "/console/desktops/{desktop}", Right.SEE_DESKTOPS, self.show),
            Entry("POST", "/console/desktops/{desktop}/restore", Right.DELETE_DESKTOPS, self.restore),
            *(
                Entry("POST", f"/console/desktops/{{desktop}}/{action}", RIGHT_TO[action], self._acting(action))
                for action in RIGHT_TO
            ),
        ]

    async def index(self, call: Call) -> Response:
        query, services = call.request.query_params, self._services
        pools = await every(lambda cursor: services.pools.list_for(call.identity, cursor=cursor))
        filters = {name: query[name].strip() for name in ("q", "phase", "pool") if query.get(name, "").strip()}
        if filters.get("phase") not in _PHASES:
            filters.pop("phase", None)
        if filters.get("pool") not in {pool.id for pool in pools}:
            filters.pop("pool", None)
        desktops = await every(
            lambda cursor: services.desktops.list_for(
                call.identity,
                pool=filters.get("pool"),
                phase=Phase(filters["phase"]) if "phase" in filters else None,
                cursor=cursor,
                limit=500,
            )
        )
        text = filters.get("q", "").casefold()
        if text:
            desktops = [d for d in desktops if text in f"{d.name} {d.user_name or ''} {d.id}".casefold()]
        sort = query.get("sort", "name")
        sort = sort if sort in SORTS else "name"
        descending = query.get("order") == "down"
        desktops.sort(key=SORTS[sort], reverse=descending)
        pages = max(1, -(-len(desktops) // DESKTOPS_A_PAGE))
        asked = query.get("page", "1")
        page = min(pages, max(1, int(asked) if asked.isdecimal() and len(asked) < 7 else 1))
        listing = Listing(
            sort=sort, descending=descending, page=page, pages=pages, total=len(desktops), filters=filters
        )
        shown = desktops[(page - 1) * DESKTOPS_A_PAGE : page * DESKTOPS_A_PAGE]
        view = DesktopsView(desktops=shown, listing=listing, pools=pools)
        return self._portal.page(call, "console/desktops", view, has_live=True)

    async def deleted(self, call: Call) -> Response:
        listed = self._services.desktops.list_for
        desktops = await every(lambda cursor: listed(call.identity, deleted=True, cursor=cursor, limit=500))
        desktops.sort(key=lambda desktop: (desktop.kept_until or call.reader.now, desktop.name))
        return self._portal.page(call, "console/deleted-desktops", DeletedView(desktops=desktops))

    async def restore(self, call: Call) -> Response:
        try:
            request = RestoreRequest(user=call.form.get("person", "").strip() or None)
            desktop = await self._services.desktops.restore(call.identity, call.ref("desktop"), request)
        except FrazilError as exc:
            return await self._show(call, exc)
        return self._portal.see(f"/console/desktops/{desktop.id}", did="desktop-restored")

    async def show(self, call: Call) -> Response:
        return await self._show(call)

    async def _show(self, call: Call, error: FrazilError | None = None) -> Response:
        desktop = await self._services.desktops.show(call.identity, call.ref("desktop"))
        events = (await self._services.desktops.events(call.identity, desktop.id, limit=EVENTS_SHOWN)).items
        explanation = await self._services.desktops.explain(call.identity, desktop.id)
        form = call.typed() if error is not None else Form()
        view = DesktopView(desktop=desktop, events=events, explanation=explanation, form=form)
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = 200 if error is None else status_of(error)
        return self._portal.page(call, "console/desktop", view, trouble=trouble, status=status, has_live=True)

    def _acting(self, action: Action) -> Handler:
        async def act(call: Call) -> Response:
            ref = call.ref("desktop")
            try:
                desktop = await self._services.desktops.act(call.identity, ref, action)
            except FrazilError as exc:
                return await self._show(call, exc)
            if action in ("delete", "erase"):
                kept = desktop.kept_until is not None
                return self._portal.see("/console/desktops", did="desktop-kept" if kept else "desktop-delete")
            return self._portal.see(f"/console/desktops/{ref}", did=f"desktop-{action}")

        return act
