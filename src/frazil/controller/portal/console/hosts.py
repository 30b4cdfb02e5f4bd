"""Hosts, and what is in quarantine on them."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.dispatch import Call, Entry, Handler, Portal
from frazil.controller.portal.forms import WrongForm, read, version_read
from frazil.controller.portal.labels_form import labels_of
from frazil.controller.portal.paging import every
from frazil.controller.portal.views import Form, HostsView, HostView
from frazil.model.errors import FrazilError, InvalidInput
from frazil.wire.rest import AdoptRequest, HostChange


class Hosts:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/console/hosts", Right.SEE_HOSTS, self.index),
            Entry("GET", "/console/hosts/{host}", Right.SEE_HOSTS, self.show),
            Entry("POST", "/console/hosts/{host}/maintain", Right.CHANGE_HOSTS, self._maintaining(True)),
            Entry("POST", "/console/hosts/{host}/take-desktops", Right.CHANGE_HOSTS, self._maintaining(False)),
            Entry("POST", "/console/hosts/{host}/forget", Right.CHANGE_HOSTS, self.forget),
            Entry("POST", "/console/hosts/{host}/adopt", Right.CHANGE_HOSTS, self.adopt),
            Entry("POST", "/console/hosts/{host}/labels", Right.CHANGE_HOSTS, self.label),
        ]

    async def index(self, call: Call) -> Response:
        hosts = await every(lambda cursor: self._services.hosts.list_for(call.identity, cursor=cursor))
        strays = (await self._services.hosts.strays(call.identity)).items
        return self._portal.page(call, "console/hosts", HostsView(hosts=hosts, strays=strays), has_live=True)

    async def show(self, call: Call) -> Response:
        return await self._show(call)

    async def _show(self, call: Call, *, form: Form | None = None, error: FrazilError | None = None) -> Response:
        services = self._services
        host = await services.hosts.show(call.identity, call.ref("host"))
        desktops = await every(lambda cursor: services.desktops.list_for(call.identity, cursor=cursor, limit=500))
        strays = (await services.hosts.strays(call.identity)).items
        pools = await every(lambda cursor: services.pools.list_for(call.identity, cursor=cursor)) if strays else []
        view = HostView(
            host=host,
            pools=pools,
            desktops=[desktop for desktop in desktops if desktop.host_id == host.id],
            strays=[stray for stray in strays if stray.host_id == host.id],
            form=form or Form(),
        )
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if form else 200
        return self._portal.page(call, "console/host", view, trouble=trouble, status=status, has_live=True)

    async def forget(self, call: Call) -> Response:
        ref, with_desktops = call.ref("host"), call.form.get("with_desktops") == "true"
        try:
            revision = version_read(call.form)
            await self._services.hosts.forget(call.identity, ref, if_match=revision, with_desktops=with_desktops)
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see("/console/hosts", did="host-forgotten")

    async def adopt(self, call: Call) -> Response:
        try:
            asked = {"pool": call.form.get("pool", ""), "user": call.form.get("person", "").strip()}
            request = read(AdoptRequest, {**asked, "host": call.ref("host")}, call.reader)
            desktop = await self._services.desktops.adopt(call.identity, call.form.get("stray", ""), request)
        except WrongForm as exc:
            return await self._show(
                call, error=InvalidInput("The form does not say which pool.", field=next(iter(exc.wrong)))
            )
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/desktops/{desktop.id}", did="desktop-adopted")

    async def label(self, call: Call) -> Response:
        try:
            revision = version_read(call.form)
            request = HostChange(labels=labels_of(call.form, "labels", call.reader))
            await self._services.hosts.change(call.identity, call.ref("host"), request, if_match=revision)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/hosts/{call.ref('host')}", did="host-labelled")

    def _maintaining(self, maintenance: bool) -> Handler:
        async def maintain(call: Call) -> Response:
            host = await self._services.hosts.maintain(call.identity, call.ref("host"), maintenance=maintenance)
            did = "host-maintained" if maintenance else "host-takes-desktops"
            return self._portal.see(f"/console/hosts/{host.id}", did=did)

        return maintain
