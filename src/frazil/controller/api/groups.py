"""Groups and who is in them."""

from __future__ import annotations

from fastapi import Response

from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint
from frazil.controller.api.params import Cursor, IfMatch, Limit, etag, version_of
from frazil.controller.identity import Right
from frazil.wire.rest import Group, GroupChange, GroupMember, GroupRequest, Page

__all__ = ["ENDPOINTS"]


async def list_groups(
    caller: Caller, services: Svc, user: str | None = None, limit: Limit = 100, cursor: Cursor = None
) -> Page[Group]:
    return await services.groups.list_for(caller, user=user, limit=limit, cursor=cursor)


async def create_group(response: Response, caller: Caller, body: GroupRequest, services: Svc) -> Group:
    group = await services.groups.create(caller, body)
    response.headers["ETag"] = etag(group.version)
    return group


async def show_group(group: str, response: Response, caller: Caller, services: Svc) -> Group:
    shown = await services.groups.show(caller, group)
    response.headers["ETag"] = etag(shown.version)
    return shown


async def change_group(
    group: str, response: Response, caller: Caller, body: GroupChange, services: Svc, if_match: IfMatch = None
) -> Group:
    changed = await services.groups.change(caller, group, body, if_match=version_of(if_match))
    response.headers["ETag"] = etag(changed.version)
    return changed


async def delete_group(group: str, caller: Caller, services: Svc) -> None:
    await services.groups.delete(caller, group)


async def list_members(
    group: str, caller: Caller, services: Svc, limit: Limit = 100, cursor: Cursor = None
) -> Page[GroupMember]:
    return await services.groups.members(caller, group, limit=limit, cursor=cursor)


async def join(group: str, user: str, caller: Caller, services: Svc) -> None:
    await services.groups.join(caller, group, user)


async def leave(group: str, user: str, caller: Caller, services: Svc) -> None:
    await services.groups.leave(caller, group, user)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/groups",
        permission=Right.SEE_PEOPLE,
        handler=list_groups,
        response=Page[Group],
        summary="List groups, or those that a user is in",
    ),
    Endpoint(
        method="POST",
        path="/groups",
        permission=Right.CHANGE_PEOPLE,
        handler=create_group,
        status=201,
        response=Group,
        summary="Add a group",
    ),
    Endpoint(
        method="GET",
        path="/groups/{group}",
        permission=Right.SEE_PEOPLE,
        handler=show_group,
        response=Group,
        summary="Show a group",
    ),
    Endpoint(
        method="PATCH",
        path="/groups/{group}",
        permission=Right.CHANGE_PEOPLE,
        handler=change_group,
        response=Group,
        summary="Change what people read of a group, or how much it may use together",
    ),
    Endpoint(
        method="DELETE",
        path="/groups/{group}",
        permission=Right.CHANGE_PEOPLE,
        handler=delete_group,
        status=204,
        summary="Delete a group, with what it may use",
    ),
    Endpoint(
        method="GET",
        path="/groups/{group}/members",
        permission=Right.SEE_PEOPLE,
        handler=list_members,
        response=Page[GroupMember],
        summary="List who is in a group",
    ),
    Endpoint(
        method="PUT",
        path="/groups/{group}/members/{user}",
        permission=Right.CHANGE_PEOPLE,
        handler=join,
        status=204,
        summary="Put a user into a group",
    ),
    Endpoint(
        method="DELETE",
        path="/groups/{group}/members/{user}",
        permission=Right.CHANGE_PEOPLE,
        handler=leave,
        status=204,
        summary="Take a user out of a group",
    ),
)
