"""Hosts, strays, images, operations, measurements."""

from __future__ import annotations

from fastapi import Response

from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint
from frazil.controller.api.params import Cursor, IfMatch, Limit, etag, version_of
from frazil.controller.identity import Right
from frazil.controller.metrics import CONTENT_TYPE
from frazil.wire.rest import (
    AdoptRequest,
    Desktop,
    ForgottenHost,
    Host,
    HostChange,
    HostInvitation,
    Image,
    ImageRequest,
    Operation,
    Page,
    QuarantinedThing,
)

__all__ = ["ENDPOINTS"]


async def list_hosts(caller: Caller, services: Svc, limit: Limit = 100, cursor: Cursor = None) -> Page[Host]:
    return await services.hosts.list_for(caller, limit=limit, cursor=cursor)


async def show_host(host: str, response: Response, caller: Caller, services: Svc) -> Host:
    shown = await services.hosts.show(caller, host)
    response.headers["ETag"] = etag(shown.revision)
    return shown


async def forget_host(
    host: str, caller: Caller, services: Svc, with_desktops: bool = False, if_match: IfMatch = None
) -> ForgottenHost:
    return await services.hosts.forget(caller, host, if_match=version_of(if_match), with_desktops=with_desktops)


async def change_host(
    host: str, response: Response, caller: Caller, body: HostChange, services: Svc, if_match: IfMatch = None
) -> Host:
    changed = await services.hosts.change(caller, host, body, if_match=version_of(if_match))
    response.headers["ETag"] = etag(changed.revision)
    return changed


async def begin_maintenance(host: str, caller: Caller, services: Svc) -> Host:
    return await services.hosts.maintain(caller, host, maintenance=True)


async def end_maintenance(host: str, caller: Caller, services: Svc) -> Host:
    return await services.hosts.maintain(caller, host, maintenance=False)


async def invite_host(caller: Caller, services: Svc) -> HostInvitation:
    return await services.joining.invite(caller)


async def revoke_host(host: str, caller: Caller, services: Svc) -> None:
    await services.joining.revoke(caller, host)


async def list_strays(caller: Caller, services: Svc) -> Page[QuarantinedThing]:
    return await services.hosts.strays(caller)


async def adopt(stray: str, caller: Caller, body: AdoptRequest, services: Svc) -> Desktop:
    return await services.desktops.adopt(caller, stray, body)


async def list_images(caller: Caller, services: Svc, limit: Limit = 100, cursor: Cursor = None) -> Page[Image]:
    return await services.images.list_for(caller, limit=limit, cursor=cursor)


async def create_image(caller: Caller, body: ImageRequest, services: Svc) -> Operation:
    return await services.images.create(caller, body)


async def show_image(image: str, caller: Caller, services: Svc) -> Image:
    return await services.images.show(caller, image)


async def retry_image(image: str, caller: Caller, services: Svc) -> Operation:
    return await services.images.retry(caller, image)


async def delete_image(image: str, caller: Caller, services: Svc) -> Operation:
    return await services.images.delete(caller, image)


async def show_operation(id: str, caller: Caller, services: Svc) -> Operation:
    return await services.operations.show(caller, id)


async def read_metrics(caller: Caller, services: Svc) -> Response:
    return Response(await services.measuring.text(caller), headers={"Content-Type": CONTENT_TYPE})


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/hosts",
        permission=Right.SEE_HOSTS,
        handler=list_hosts,
        response=Page[Host],
        summary="List hosts",
    ),
    Endpoint(
        method="GET",
        path="/hosts/{host}",
        permission=Right.SEE_HOSTS,
        handler=show_host,
        response=Host,
        summary="Show a host",
    ),
    Endpoint(
        method="DELETE",
        path="/hosts/{host}",
        permission=Right.CHANGE_HOSTS,
        handler=forget_host,
        response=ForgottenHost,
        summary="Forget a host that is gone for good",
    ),
    Endpoint(
        method="PATCH",
        path="/hosts/{host}",
        permission=Right.CHANGE_HOSTS,
        handler=change_host,
        response=Host,
        summary="Give a host labels, in place of those that it has",
    ),
    Endpoint(
        method="PUT",
        path="/hosts/{host}/maintenance",
        permission=Right.CHANGE_HOSTS,
        handler=begin_maintenance,
        response=Host,
        summary="Put a host into maintenance: it takes no new desktops",
    ),
    Endpoint(
        method="DELETE",
        path="/hosts/{host}/maintenance",
        permission=Right.CHANGE_HOSTS,
        handler=end_maintenance,
        response=Host,
        summary="End a host's maintenance",
    ),
    Endpoint(
        method="POST",
        path="/hosts/invitations",
        permission=Right.CHANGE_HOSTS,
        handler=invite_host,
        status=201,
        response=HostInvitation,
        summary="Make a token with which another machine becomes a host",
    ),
    Endpoint(
        method="DELETE",
        path="/hosts/{host}/certificate",
        permission=Right.CHANGE_HOSTS,
        handler=revoke_host,
        status=204,
        summary="Let a host on another machine in no more",
    ),
    Endpoint(
        method="GET",
        path="/strays",
        permission=Right.SEE_HOSTS,
        handler=list_strays,
        response=Page[QuarantinedThing],
        summary="List what hosts have that nobody here knows of",
    ),
    Endpoint(
        method="POST",
        path="/strays/{stray}/adopt",
        permission=Right.CHANGE_HOSTS,
        handler=adopt,
        status=202,
        response=Desktop,
        summary="Take a stray desktop back as it lies",
    ),
    Endpoint(
        method="GET",
        path="/images",
        permission=Right.SEE_IMAGES,
        handler=list_images,
        response=Page[Image],
        summary="List images",
    ),
    Endpoint(
        method="POST",
        path="/images",
        permission=Right.CHANGE_IMAGES,
        handler=create_image,
        status=202,
        response=Operation,
        summary="Build an image from a recipe, or import a file",
    ),
    Endpoint(
        method="GET",
        path="/images/{image}",
        permission=Right.SEE_IMAGES,
        handler=show_image,
        response=Image,
        summary="Show an image",
    ),
    Endpoint(
        method="POST",
        path="/images/{image}/retry",
        permission=Right.CHANGE_IMAGES,
        handler=retry_image,
        status=202,
        response=Operation,
        summary="Try a failed image again",
    ),
    Endpoint(
        method="DELETE",
        path="/images/{image}",
        permission=Right.CHANGE_IMAGES,
        handler=delete_image,
        status=202,
        response=Operation,
        summary="Delete an image",
    ),
    Endpoint(
        method="GET",
        path="/operations/{id}",
        permission=Right.SEE_IMAGES,
        handler=show_operation,
        response=Operation,
        summary="Watch a slow call",
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        permission=Right.SEE_METRICS,
        handler=read_metrics,
        media_type="text/plain",
        summary="Read all measurements in Prometheus's text format",
    ),
)
