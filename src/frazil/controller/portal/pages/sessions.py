"""Waiting for a desktop, and the desktop itself."""

from __future__ import annotations

from typing import Literal

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.portal.dispatch import Access, Call, Entry, Portal
from frazil.controller.portal.viewer_words import viewer_strings
from frazil.controller.portal.views import ViewerView, WaitView
from frazil.model.desktop import Phase
from frazil.model.errors import FrazilError, Refused
from frazil.wire.rest import Session

_SHOWN = (Phase.READY, Phase.PAUSED)


class Sessions:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/sessions/{session}", Access.SIGNED_IN, self.show),
            Entry("POST", "/sessions/{session}/retry", Access.SIGNED_IN, self.retry),
            Entry("POST", "/sessions/{session}/start", Access.SIGNED_IN, self.start),
            Entry("POST", "/sessions/{session}/end", Access.SIGNED_IN, self.end),
        ]

    async def _own(self, call: Call) -> Session:
        session = await self._services.sessions.show(call.identity, call.ref("session"))
        if session.user_id != call.identity.user_id:
            raise Refused("This is someone else's desktop.", remedy="Open one of your own.")
        return session

    async def show(self, call: Call) -> Response:
        return self._show(call, await self._own(call))

    def _show(self, call: Call, session: Session, error: FrazilError | None = None) -> Response:
        if session.desktop.phase in _SHOWN and error is None:
            if call.live:
                # The waiting is over: the page loads again and is the viewer.
                return Response(headers={"HX-Refresh": "true"})
            view = ViewerView(session=session, strings=viewer_strings(call.reader))
            return self._portal.page(call, "viewer", view)
        waited_s = max(0.0, (call.reader.now - session.created_at).total_seconds())
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = 200 if error is None else status_of(error)
        return self._portal.page(
            call, "wait", WaitView(session=session, waited_s=waited_s), trouble=trouble, status=status, has_live=True
        )

    async def retry(self, call: Call) -> Response:
        return await self._act(call, "retry")

    async def start(self, call: Call) -> Response:
        return await self._act(call, "start")

    async def _act(self, call: Call, action: Literal["retry", "start"]) -> Response:
        session = await self._own(call)
        try:
            await self._services.desktops.act(call.identity, session.desktop.id, action)
        except FrazilError as exc:
            return self._show(call, session, exc)
        return self._portal.see(f"/sessions/{session.id}")

    async def end(self, call: Call) -> Response:
        session = await self._own(call)
        await self._services.sessions.end(call.identity, session.id)
        return self._portal.see("/", did="session-ended")
