"""Users: add, give a new password, delete."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.dispatch import Call, Entry, Portal
from frazil.controller.portal.forms import WrongForm, read, version_read
from frazil.controller.portal.paging import every
from frazil.controller.portal.policy_form import policy_of
from frazil.controller.portal.quota_form import quota_of
from frazil.controller.portal.views import Form, UsersView, UserView
from frazil.model.errors import FrazilError
from frazil.wire.rest import PasswordRequest, UserChange, UserRequest


class Users:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/console/users", Right.SEE_PEOPLE, self.index),
            Entry("POST", "/console/users", Right.CHANGE_PEOPLE, self.add),
            Entry("GET", "/console/users/{user}", Right.SEE_PEOPLE, self.show),
            Entry("POST", "/console/users/{user}/password", Right.SET_PASSWORDS, self.password),
            Entry("POST", "/console/users/{user}/role", Right.CHANGE_PEOPLE, self.role),
            Entry("POST", "/console/users/{user}/policy", Right.CHANGE_PEOPLE, self.policy),
            Entry("POST", "/console/users/{user}/quota", Right.CHANGE_PEOPLE, self.quota),
            Entry("POST", "/console/users/{user}/delete", Right.CHANGE_PEOPLE, self.delete),
        ]

    async def index(self, call: Call) -> Response:
        return await self._index(call)

    async def _index(self, call: Call, *, form: Form | None = None, error: FrazilError | None = None) -> Response:
        users = await every(lambda cursor: self._services.people.list_for(call.identity, cursor=cursor))
        users.sort(key=lambda user: user.name)
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if form else 200
        view = UsersView(users=users, form=form or Form())
        return self._portal.page(call, "console/users", view, trouble=trouble, status=status)

    async def add(self, call: Call) -> Response:
        try:
            values = {name: call.form.get(name, "") for name in ("name", "display_name", "password", "role")}
            await self._services.people.create(call.identity, read(UserRequest, values, call.reader))
        except WrongForm as exc:
            return await self._index(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._index(call, form=call.typed(), error=exc)
        return self._portal.see("/console/users", did="user-added")

    async def show(self, call: Call) -> Response:
        return await self._show(call)

    async def _show(self, call: Call, *, form: Form | None = None, error: FrazilError | None = None) -> Response:
        user = await self._services.people.show(call.identity, call.ref("user"))
        entitled = await every(
            lambda cursor: self._services.entitlements.list_for(call.identity, user=user.id, cursor=cursor)
        )
        groups = await every(lambda cursor: self._services.groups.list_for(call.identity, user=user.id, cursor=cursor))
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if form else 200
        view = UserView(
            user=user,
            groups=sorted(groups, key=lambda group: group.name),
            entitlements=sorted(entitled, key=lambda entitlement: entitlement.pool_name),
            form=form or Form(),
        )
        return self._portal.page(call, "console/user", view, trouble=trouble, status=status)

    async def password(self, call: Call) -> Response:
        try:
            request = read(PasswordRequest, {"password": call.form.get("password", "")}, call.reader)
            await self._services.people.set_password(call.identity, call.ref("user"), request)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/users/{call.ref('user')}", did="password")

    async def role(self, call: Call) -> Response:
        try:
            version = version_read(call.form)
            request = read(UserChange, {"role": call.form.get("role", "")}, call.reader)
            await self._services.people.change(call.identity, call.ref("user"), request, if_match=version)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/users/{call.ref('user')}", did="role-changed")

    async def policy(self, call: Call) -> Response:
        try:
            version = version_read(call.form)
            request = UserChange(policy=policy_of(call.form, call.reader))
            await self._services.people.change(call.identity, call.ref("user"), request, if_match=version)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/users/{call.ref('user')}", did="policy-changed")

    async def quota(self, call: Call) -> Response:
        try:
            version = version_read(call.form)
            request = UserChange(quota=quota_of(call.form, call.reader))
            await self._services.people.change(call.identity, call.ref("user"), request, if_match=version)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, form=call.typed(), error=exc)
        return self._portal.see(f"/console/users/{call.ref('user')}", did="quota-changed")

    async def delete(self, call: Call) -> Response:
        try:
            await self._services.people.delete(call.identity, call.ref("user"))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see("/console/users", did="user-deleted")
