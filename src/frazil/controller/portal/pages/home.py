"""One's desktops on one screen, and opening one."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Identity
from frazil.controller.portal.dispatch import Access, Call, Entry, Portal
from frazil.controller.portal.paging import every
from frazil.controller.portal.views import Card, HomeView
from frazil.controller.viewer_file import MEDIA_TYPE
from frazil.model.errors import Conflict, FrazilError
from frazil.wire.rest import Pool, Session, SessionRequest

DIRECT_COOKIE = "frazil-direct"
FILE_WAIT_S = 10.0
_YEAR_S = 365 * 86400


class Home:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/", Access.SIGNED_IN, self.home),
            Entry("POST", "/open", Access.SIGNED_IN, self.open),
            Entry("POST", "/open-in-app", Access.SIGNED_IN, self.open_in_app),
            Entry("POST", "/preferences", Access.SIGNED_IN, self.preferences),
        ]

    async def home(self, call: Call) -> Response:
        return await self._home(call)

    async def _home(self, call: Call, error: FrazilError | None = None) -> Response:
        pools = await usable_pools(self._portal, call.identity)
        sessions = await own_sessions(self._portal, call.identity)
        in_pool = {session.pool_id: session for session in sessions}
        cards = [Card(pool=pool, session=in_pool.get(pool.id)) for pool in pools]
        direct = opens_directly(call) if len(cards) == 1 and call.identity.role == "user" else None
        view = HomeView(cards=cards, direct=direct)
        if error is None:
            return self._portal.page(call, "home", view, has_live=True)
        return self._portal.page(call, "home", view, trouble=self._portal.trouble(call, error), status=status_of(error))

    async def open(self, call: Call) -> Response:
        try:
            opened = await self._services.sessions.open(call.identity, SessionRequest(pool=call.form.get("pool", "")))
        except FrazilError as exc:
            return await self._home(call, exc)
        return self._portal.see(f"/sessions/{opened.session.id}")

    async def open_in_app(self, call: Call) -> Response:
        """A native viewer's file as a download; where the desktop takes longer than that, the page to wait on."""
        authority = call.request.headers.get("host", "")
        session_id = ""
        try:
            opened = await self._services.sessions.open(call.identity, SessionRequest(pool=call.form.get("pool", "")))
            session_id = opened.session.id
            made = await self._services.viewer_files.make(
                call.identity, session_id, authority=authority, wait_s=FILE_WAIT_S
            )
        except FrazilError as exc:
            if session_id and isinstance(exc, Conflict):
                return self._portal.see(f"/sessions/{session_id}")
            return await self._home(call, exc)
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"', "Cache-Control": "no-store"}
        return Response(made.text, media_type=MEDIA_TYPE, headers=headers)

    async def preferences(self, call: Call) -> Response:
        answer = self._portal.see("/")
        value = "on" if call.form.get("direct") == "on" else "off"
        answer.set_cookie(DIRECT_COOKIE, value, max_age=_YEAR_S, path="/", secure=True, samesite="lax", httponly=True)
        return answer


def opens_directly(call: Call) -> bool:
    return call.request.cookies.get(DIRECT_COOKIE) != "off"


async def usable_pools(portal: Portal, identity: Identity) -> list[Pool]:
    """The pools that this person may open a desktop of. None for who has no account."""
    if identity.user_id is None:
        return []
    pools = await every(lambda cursor: portal.services.pools.list_for(identity, mine=True, cursor=cursor))
    return sorted((pool for pool in pools if not pool.deleting), key=lambda pool: pool.label.casefold())


async def own_sessions(portal: Portal, identity: Identity) -> list[Session]:
    if identity.user_id is None:
        return []
    return await every(lambda cursor: portal.services.sessions.list_for(identity, mine=True, cursor=cursor))


async def direct_session(portal: Portal, call: Call, identity: Identity) -> str | None:
    """Where to go right after sign-in when there is just one desktop to go to; None when there is a choice."""
    if identity.role != "user" or not opens_directly(call):
        return None
    pools = await usable_pools(portal, identity)
    if len(pools) != 1:
        return None
    opened = await portal.services.sessions.open(identity, SessionRequest(pool=pools[0].id))
    return f"/sessions/{opened.session.id}"
