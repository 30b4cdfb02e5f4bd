"""Groups: add, say who is in them, name, delete."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.dispatch import Call, Entry, Portal
from frazil.controller.portal.forms import WrongForm, read, version_read
from frazil.controller.portal.paging import every
from frazil.controller.portal.quota_form import quota_of
from frazil.controller.portal.views import Form, GroupsView, GroupView
from frazil.model.errors import FrazilError
from frazil.wire.rest import GroupChange, GroupRequest


class Groups:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/console/groups", Right.SEE_PEOPLE, self.index),
            Entry("POST", "/console/groups", Right.CHANGE_PEOPLE, self.add),
            Entry("GET", "/console/groups/{group}", Right.SEE_PEOPLE, self.show),
            Entry("POST", "/console/groups/{group}/change", Right.CHANGE_PEOPLE, self.change),
            Entry("POST", "/console/groups/{group}/join", Right.CHANGE_PEOPLE, self.join),
            Entry("POST", "/console/groups/{group}/leave", Right.CHANGE_PEOPLE, self.leave),
            Entry("POST", "/console/groups/{group}/quota", Right.CHANGE_PEOPLE, self.quota),
            Entry("POST", "/console/groups/{group}/delete", Right.CHANGE_PEOPLE, self.delete),
        ]

    async def index(self, call: Call) -> Response:
        return await self._index(call)

    async def _index(self, call: Call, *, form: Form | None = None, error: FrazilError | None = None) -> Response:
        groups = await every(lambda cursor: self._services.groups.list_for(call.identity, cursor=cursor))
        groups.sort(key=lambda group: group.name)
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if form else 200
        view = GroupsView(groups=groups, form=form or Form())
        return self._portal.page(call, "console/groups", view, trouble=trouble, status=status)

    async def add(self, call: Call) -> Response:
        try:
            values = {name: call.form.get(name, "") for name in ("name", "label")}
            group = await self._services.groups.create(call.identity, read(GroupRequest, values, call.reader))
        except WrongForm as exc:
            return await self._index(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._index(call, form=call.typed(), error=exc)
        return self._portal.see(f"/console/groups/{group.id}", did="group-added")

    async def show(self, call: Call) -> Response:
        return await self._show(call)

    async def _show(self, call: Call, *, form: Form | None = None, error: FrazilError | None = None) -> Response:
        who, services = call.identity, self._services
        group = await services.groups.show(who, call.ref("group"))
        members = await every(lambda cursor: services.groups.members(who, group.id, cursor=cursor))
        entitled = await every(lambda cursor: services.entitlements.list_for(who, group=group.id, cursor=cursor))
        users = await every(lambda cursor: services.people.list_for(who, cursor=cursor))
        have = {member.user_id for member in members}
        view = GroupView(
            group=group,
            members=sorted(members, key=lambda member: member.user_name),
            others=sorted((user for user in users if user.id not in have), key=lambda user: user.name),
            entitlements=sorted(entitled, key=lambda entitlement: entitlement.pool_name),
            form=form or Form(),
        )
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if form else 200
        return self._portal.page(call, "console/group", view, trouble=trouble, status=status)

    async def change(self, call: Call) -> Response:
        try:
            version = version_read(call.form)
            request = read(GroupChange, {"label": call.form.get("label", "")}, call.reader)
            await self._services.groups.change(call.identity, call.ref("group"), request, if_match=version)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/groups/{call.ref('group')}", did="group-changed")

    async def quota(self, call: Call) -> Response:
        try:
            version = version_read(call.form)
            request = GroupChange(quota=quota_of(call.form, call.reader))
            await self._services.groups.change(call.identity, call.ref("group"), request, if_match=version)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, form=call.typed(), error=exc)
        return self._portal.see(f"/console/groups/{call.ref('group')}", did="quota-changed")

    async def join(self, call: Call) -> Response:
        try:
            await self._services.groups.join(call.identity, call.ref("group"), call.form.get("user", ""))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/groups/{call.ref('group')}", did="group-joined")

    async def leave(self, call: Call) -> Response:
        try:
            await self._services.groups.leave(call.identity, call.ref("group"), call.form.get("user", ""))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/groups/{call.ref('group')}", did="group-left")

    async def delete(self, call: Call) -> Response:
        try:
            await self._services.groups.delete(call.identity, call.ref("group"))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see("/console/groups", did="group-deleted")
