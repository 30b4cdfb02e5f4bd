"""Sessions: who uses which desktop from where, how the line is; ending one."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.dispatch import Call, Entry, Portal
from frazil.controller.portal.paging import every
from frazil.controller.portal.views import SessionsView
from frazil.model.errors import FrazilError


class OpenSessions:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/console/sessions", Right.SEE_SESSIONS, self.index),
            Entry("POST", "/console/sessions/{session}/end", Right.END_SESSIONS, self.end),
        ]

    async def index(self, call: Call) -> Response:
        return await self._index(call)

    async def _index(self, call: Call, error: FrazilError | None = None) -> Response:
        sessions = await every(lambda cursor: self._services.sessions.list_for(call.identity, cursor=cursor))
        sessions.sort(key=lambda session: (session.user_name, session.id))
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 200
        view = SessionsView(sessions=sessions)
        return self._portal.page(call, "console/sessions", view, trouble=trouble, status=status, has_live=True)

    async def end(self, call: Call) -> Response:
        try:
            await self._services.sessions.end(call.identity, call.ref("session"))
        except FrazilError as exc:
            return await self._index(call, exc)
        return self._portal.see("/console/sessions", did="session-of-other-ended")
