"""Pools and who may use them."""

from __future__ import annotations

from fastapi import Response

from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint, Permission
from frazil.controller.api.params import Cursor, IfMatch, Limit, etag, version_of
from frazil.controller.identity import Right
from frazil.wire.rest import AssignmentRequest, Desktop, Entitlement, Operation, Page, Pool, PoolChange, PoolRequest

__all__ = ["ENDPOINTS"]


async def list_pools(
    caller: Caller, services: Svc, mine: bool = False, limit: Limit = 100, cursor: Cursor = None
) -> Page[Pool]:
    return await services.pools.list_for(caller, mine=mine, limit=limit, cursor=cursor)


async def create_pool(response: Response, caller: Caller, body: PoolRequest, services: Svc) -> Pool:
    pool = await services.pools.create(caller, body)
    response.headers["ETag"] = etag(pool.version)
    return pool


async def show_pool(pool: str, response: Response, caller: Caller, services: Svc) -> Pool:
    shown = await services.pools.show(caller, pool)
    response.headers["ETag"] = etag(shown.version)
    return shown


async def change_pool(
    pool: str, response: Response, caller: Caller, body: PoolChange, services: Svc, if_match: IfMatch = None
) -> Pool:
    changed = await services.pools.change(caller, pool, body, if_match=version_of(if_match))
    response.headers["ETag"] = etag(changed.version)
    return changed


async def delete_pool(pool: str, caller: Caller, services: Svc, for_good: bool = False) -> Operation:
    return await services.pools.delete(caller, pool, for_good=for_good)


async def assign(pool: str, caller: Caller, body: AssignmentRequest, services: Svc) -> Desktop:
    return await services.pools.assign(caller, pool, body)


async def list_entitlements(
    caller: Caller,
    services: Svc,
    pool: str | None = None,
    user: str | None = None,
    group: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Entitlement]:
    listed = services.entitlements.list_for
    return await listed(caller, pool=pool, user=user, group=group, limit=limit, cursor=cursor)


async def grant(pool: str, user: str, caller: Caller, services: Svc) -> None:
    await services.entitlements.grant(caller, pool, user)


async def revoke(pool: str, user: str, caller: Caller, services: Svc) -> None:
    await services.entitlements.revoke(caller, pool, user)


async def grant_group(pool: str, group: str, caller: Caller, services: Svc) -> None:
    await services.entitlements.grant_group(caller, pool, group)


async def revoke_group(pool: str, group: str, caller: Caller, services: Svc) -> None:
    await services.entitlements.revoke_group(caller, pool, group)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/pools",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_POOLS,
        handler=list_pools,
        response=Page[Pool],
        summary="List the pools that you may use, or all where you may see them",
    ),
    Endpoint(
        method="POST",
        path="/pools",
        permission=Right.CHANGE_POOLS,
        handler=create_pool,
        status=201,
        response=Pool,
        summary="Create a pool",
    ),
    Endpoint(
        method="GET",
        path="/pools/{pool}",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_POOLS,
        handler=show_pool,
        response=Pool,
        summary="Show a pool",
    ),
    Endpoint(
        method="PATCH",
        path="/pools/{pool}",
        permission=Right.CHANGE_POOLS,
        handler=change_pool,
        response=Pool,
        summary="Change a pool",
    ),
    Endpoint(
        method="DELETE",
        path="/pools/{pool}",
        permission=Right.CHANGE_POOLS,
        handler=delete_pool,
        status=202,
        response=Operation,
        summary="Delete a pool and its desktops, of which those are kept for its time that hold what somebody saved",
    ),
    Endpoint(
        method="POST",
        path="/pools/{pool}/desktops",
        permission=Right.CHANGE_POOLS,
        handler=assign,
        status=201,
        response=Desktop,
        summary="Assign a desktop of a persistent pool to a user",
    ),
    Endpoint(
        method="GET",
        path="/entitlements",
        permission=Right.SEE_POOLS,
        handler=list_entitlements,
        response=Page[Entitlement],
        summary="List who may use which pool",
    ),
    Endpoint(
        method="PUT",
        path="/pools/{pool}/users/{user}",
        permission=Right.CHANGE_POOLS,
        handler=grant,
        status=204,
        summary="Let a user use a pool",
    ),
    Endpoint(
        method="DELETE",
        path="/pools/{pool}/users/{user}",
        permission=Right.CHANGE_POOLS,
        handler=revoke,
        status=204,
        summary="No longer let a user use a pool",
    ),
    Endpoint(
        method="PUT",
        path="/pools/{pool}/groups/{group}",
        permission=Right.CHANGE_POOLS,
        handler=grant_group,
        status=204,
        summary="Let all who are in a group use a pool",
    ),
    Endpoint(
        method="DELETE",
        path="/pools/{pool}/groups/{group}",
        permission=Right.CHANGE_POOLS,
        handler=revoke_group,
        status=204,
        summary="No longer let a group use a pool",
    ),
)
