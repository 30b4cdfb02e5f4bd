"""Pools: make, look at, change, say who may use them, delete."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.capacity import room
from frazil.controller.portal.dispatch import Call, Entry, Portal
from frazil.controller.portal.forms import WrongForm, read, version_read
from frazil.controller.portal.labels_form import labels_of
from frazil.controller.portal.paging import every
from frazil.controller.portal.policy_form import policy_of
from frazil.controller.portal.reader import Reader
from frazil.controller.portal.views import Form, NewPoolView, PoolsView, PoolView
from frazil.model.errors import FrazilError
from frazil.wire.rest import AssignmentRequest, PoolChange, PoolRequest

_PROFILE = ("vcpus", "memory_mib", "disk_gib")
_SIZE = (
    "label",
    "spares",
    "max_desktops",
    "max_sessions",
    "start_deadline_s",
    "share_memory",
    "assignment",
    "at_sign_out",
)

_RULES = {"grace_s": "grace_min", "longest_s": "longest_min", "idle_s": "idle_min"}
"""Seconds in a request, minutes in the page."""
_NUMBER = re.compile(r"[0-9]{1,8}(\.[0-9]{1,12})?")


def rules_in(form: Mapping[str, str]) -> dict[str, object]:
    """What the form says of how long sessions last, in seconds; what is no number is left for the request to refuse."""
    said = {name: form.get(field, "").strip() for name, field in _RULES.items()}
    return {name: round(float(text) * 60) if _NUMBER.fullmatch(text) else text for name, text in said.items()}


_DAYS = {"keep_deleted_s": "keep_days"}
"""Seconds in a request, days in the page."""


def kept_in(form: Mapping[str, str]) -> dict[str, object]:
    """How long the form has deleted desktops kept, in seconds; what is no number is left for the request to refuse."""
    text = form.get(_DAYS["keep_deleted_s"], "").strip()
    return {"keep_deleted_s": round(float(text) * 86400) if _NUMBER.fullmatch(text) else text}


def placed_in(form: Mapping[str, str], reader: Reader) -> dict[str, object]:
    """What the form says of the hosts that the pool's desktops go to. Raises WrongForm."""
    asked = {"host_labels": labels_of(form, "host_labels", reader)} if "host_labels" in form else {}
    return asked | {name: form[name].strip() for name in ("placement", "apart_by") if name in form}


class Pools:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/console/pools", Right.SEE_POOLS, self.index),
            Entry("GET", "/console/pools/new", Right.CHANGE_POOLS, self.new),
            Entry("POST", "/console/pools/new", Right.CHANGE_POOLS, self.make),
            Entry("GET", "/console/pools/{pool}", Right.SEE_POOLS, self.show),
            Entry("POST", "/console/pools/{pool}/change", Right.CHANGE_POOLS, self.change),
            Entry("POST", "/console/pools/{pool}/policy", Right.CHANGE_POOLS, self.policy),
            Entry("POST", "/console/pools/{pool}/rules", Right.CHANGE_POOLS, self.rules),
            Entry("POST", "/console/pools/{pool}/grant", Right.CHANGE_POOLS, self.grant),
            Entry("POST", "/console/pools/{pool}/revoke", Right.CHANGE_POOLS, self.revoke),
            Entry("POST", "/console/pools/{pool}/assign", Right.CHANGE_POOLS, self.assign),
            Entry("POST", "/console/pools/{pool}/delete", Right.CHANGE_POOLS, self.delete),
        ]

    async def index(self, call: Call) -> Response:
        pools = await every(lambda cursor: self._services.pools.list_for(call.identity, cursor=cursor))
        pools.sort(key=lambda pool: pool.label.casefold())
        return self._portal.page(call, "console/pools", PoolsView(pools=pools), has_live=True)

    async def new(self, call: Call) -> Response:
        return await self._new(call, Form(values={"image": call.request.query_params.get("image", "")}))

    async def _new(self, call: Call, form: Form, error: FrazilError | None = None) -> Response:
        images = await every(lambda cursor: self._services.images.list_for(call.identity, cursor=cursor))
        ready = sorted((i for i in images if i.state == "ready"), key=lambda i: (i.name, -i.version))
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if form.wrong else 200
        view = NewPoolView(images=ready, form=form)
        return self._portal.page(call, "console/pool-new", view, trouble=trouble, status=status)

    async def make(self, call: Call) -> Response:
        form = call.form
        try:
            profile = {name: form[name] for name in _PROFILE if form.get(name)}
            asked: dict[str, object] = {name: form.get(name, "") for name in ("name", "image", "start", "kind", *_SIZE)}
            if asked["kind"] != "persistent":
                asked |= {"assignment": "", "at_sign_out": ""}  # the form's two fields are about a persistent one
            passes = policy_of(form, call.reader)
            asked |= {"profile": profile, "policy": passes} | rules_in(form) | kept_in(form)
            asked |= placed_in(form, call.reader)
            request = read(PoolRequest, asked, call.reader, names=_RULES | _DAYS)
            pool = await self._services.pools.create(call.identity, request)
        except WrongForm as exc:
            return await self._new(call, call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._new(call, call.typed(), exc)
        return self._portal.see(f"/console/pools/{pool.id}", did="pool-made")

    async def show(self, call: Call) -> Response:
        return await self._show(call)

    async def _show(self, call: Call, *, form: Form | None = None, error: FrazilError | None = None) -> Response:
        who, services = call.identity, self._services
        pool = await services.pools.show(who, call.ref("pool"))
        sees_hosts = who.may(Right.SEE_HOSTS)
        hosts = await every(lambda cursor: services.hosts.list_for(who, cursor=cursor)) if sees_hosts else []
        entitled = await every(lambda cursor: services.entitlements.list_for(who, pool=pool.id, cursor=cursor))
        users = await every(lambda cursor: services.people.list_for(who, cursor=cursor))
        groups = await every(lambda cursor: services.groups.list_for(who, cursor=cursor))
        have = {entitlement.user_id or entitlement.group_id for entitlement in entitled}
        view = PoolView(
            pool=pool,
            room=room(pool, hosts) if sees_hosts else None,
            entitlements=sorted(entitled, key=lambda e: (e.group_name is None, e.group_name or "", e.user_name or "")),
            others=sorted((user for user in users if user.id not in have), key=lambda user: user.name),
            other_groups=sorted((group for group in groups if group.id not in have), key=lambda group: group.name),
            form=form or Form(),
        )
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if form else 200
        return self._portal.page(call, "console/pool", view, trouble=trouble, status=status, has_live=True)

    async def change(self, call: Call) -> Response:
        said: dict[str, object] = {name: call.form.get(name, "") for name in _SIZE}

        def asked() -> PoolChange:
            all_of_it = said | kept_in(call.form) | placed_in(call.form, call.reader)
            return read(PoolChange, all_of_it, call.reader, names=_DAYS, empty=("apart_by",))

        return await self._change(call, asked)

    async def policy(self, call: Call) -> Response:
        return await self._change(
            call, lambda: PoolChange(policy=policy_of(call.form, call.reader)), did="policy-changed"
        )

    async def rules(self, call: Call) -> Response:
        return await self._change(call, lambda: read(PoolChange, rules_in(call.form), call.reader, names=_RULES))

    async def _change(self, call: Call, asked: Callable[[], PoolChange], *, did: str = "pool-changed") -> Response:
        try:
            version = version_read(call.form)
            await self._services.pools.change(call.identity, call.ref("pool"), asked(), if_match=version)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/pools/{call.ref('pool')}", did=did)

    async def grant(self, call: Call) -> Response:
        entitlements, pool = self._services.entitlements, call.ref("pool")
        try:
            if "group" in call.form:
                await entitlements.grant_group(call.identity, pool, call.form["group"])
            else:
                await entitlements.grant(call.identity, pool, call.form.get("user", ""))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/pools/{pool}", did="granted")

    async def revoke(self, call: Call) -> Response:
        entitlements, pool = self._services.entitlements, call.ref("pool")
        try:
            if "group" in call.form:
                await entitlements.revoke_group(call.identity, pool, call.form["group"])
            else:
                await entitlements.revoke(call.identity, pool, call.form.get("user", ""))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see(f"/console/pools/{pool}", did="revoked")

    async def assign(self, call: Call) -> Response:
        try:
            request = read(
                AssignmentRequest, {"user": call.form.get("person", "")}, call.reader, names={"user": "person"}
            )
            await self._services.pools.assign(call.identity, call.ref("pool"), request)
        except WrongForm as exc:
            return await self._show(call, form=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._show(call, form=call.typed(), error=exc)
        return self._portal.see(f"/console/pools/{call.ref('pool')}", did="assigned")

    async def delete(self, call: Call) -> Response:
        try:
            await self._services.pools.delete(call.identity, call.ref("pool"))
        except FrazilError as exc:
            return await self._show(call, error=exc)
        return self._portal.see("/console/pools", did="pool-deleted")
