"""The console's first screen: four questions."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.identity import Right
from frazil.controller.portal.attention import attention
from frazil.controller.portal.capacity import room
from frazil.controller.portal.dispatch import Access, Call, Entry, Portal
from frazil.controller.portal.paging import every
from frazil.controller.portal.views import OverviewView
from frazil.model.desktop import Phase

RECENT_EVENTS = 8
TROUBLED_SHOWN = 25
_TROUBLED = (Phase.FAILED, Phase.UNKNOWN, Phase.WAITING, Phase.STARTING)
"""Worst first."""


class Overview:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [Entry("GET", "/console", Access.CONSOLE, self.overview)]

    async def overview(self, call: Call) -> Response:
        who, services = call.identity, self._services
        sees_hosts, sees_images = who.may(Right.SEE_HOSTS), who.may(Right.SEE_IMAGES)
        hosts = await every(lambda cursor: services.hosts.list_for(who, cursor=cursor)) if sees_hosts else []
        images = await every(lambda cursor: services.images.list_for(who, cursor=cursor)) if sees_images else []
        pools = await every(lambda cursor: services.pools.list_for(who, cursor=cursor))
        desktops = await every(lambda cursor: services.desktops.list_for(who, cursor=cursor, limit=500))
        strays = (await services.hosts.strays(who)).items if sees_hosts else []
        sees_events = who.may(Right.SEE_EVENTS)
        events = (await services.events.list_for(who, limit=RECENT_EVENTS)).items if sees_events else []
        found = attention(
            call.reader,
            hosts=hosts if sees_hosts else None,
            images=images,
            pools=pools,
            desktops=desktops,
            strays=strays,
        )
        troubled = [desktop for desktop in desktops if desktop.phase in _TROUBLED]
        # Whoever has a person waiting comes before spares on their way; the longest wait first.
        troubled.sort(key=lambda d: (_TROUBLED.index(d.phase), d.user_id is None, d.created_at))
        view = OverviewView(
            attention=found,
            troubled=troubled[:TROUBLED_SHOWN],
            rooms=[room(pool, hosts) for pool in pools if not pool.deleting],
            hosts=hosts,
            events=events,
            images=images,
            desktops=len(desktops),
        )
        return self._portal.page(call, "console/overview", view, has_live=True)
