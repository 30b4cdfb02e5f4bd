"""How endpoints are declared: method, path, permission, request, response. Nothing is open by default."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from frazil.controller.api.callers import Listener, listener_of
from frazil.controller.identity import Identity, Right, csrf, rights
from frazil.model.errors import NotFound, NotSignedIn
from frazil.wire.rest import Problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Permission(Enum):
    """Who may call, where it is not for the roles that have a `Right`. A signed-in user is shown, and may change, only
    what is theirs or what a right of theirs covers: the use case sees to that."""

    ANYONE = "anyone"
    SIGNED_IN = "whoever is signed in, for what is theirs"
    LOCAL_ROOT = "this machine's root"


Needs = Permission | Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One call. `response` is None for an answer without a body; `media_type` is said where it is not JSON.

    others: the right that lets a role do with others' things what the call is for; the use case asks for it.
    """

    method: str
    path: str
    permission: Needs
    handler: Callable[..., Any]
    summary: str
    others: Right | None = None
    status: int = 200
    response: Any = None
    media_type: str | None = None

    @property
    def for_whom(self) -> str:
        """Who may call, in words."""
        if isinstance(self.permission, Right):
            return rights.for_whom(self.permission)
        of_others = f"; for what is others', {rights.for_whom(self.others)}" if self.others is not None else ""
        return self.permission.value + of_others


class Guarded(APIRoute):
    """A route that asks for its permission before it looks at anything else of the request."""

    permission: Needs

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        permission = self.permission

        async def guarded(request: Request) -> Response:
            allow(request, permission)
            response = await handle(request)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded


_GUARDS: dict[Needs, type[Guarded]] = {
    needs: type(f"Guarded{needs.name.title()}", (Guarded,), {"permission": needs}) for needs in (*Permission, *Right)
}


def allow(request: Request, permission: Needs) -> None:
    """Raise unless the caller may; a cookie alone never suffices to change something."""
    identity: Identity | None = request.state.identity
    if permission is Permission.LOCAL_ROOT and listener_of(request.scope) is not Listener.LOCAL:
        raise NotFound("There is nothing at this address.")
    if permission is not Permission.ANYONE:
        if identity is None:
            raise NotSignedIn("Nobody is signed in.", remedy="Sign in, or give an API token.")
        if isinstance(permission, Right):
            identity.require(permission)
    if identity is not None and permission is not Permission.ANYONE and request.method not in _SAFE:
        csrf.check(identity, request.headers.get(csrf.HEADER))


def add(router: APIRouter, endpoints: Sequence[Endpoint], *, prefix: str, tag: str) -> None:
    """Put a table's calls on `router`, each guarded by its permission."""
    for endpoint in endpoints:
        kwargs: dict[str, Any] = {}
        responses: dict[int | str, dict[str, Any]] = {
            "default": {"description": "A problem document", "content": {"application/problem+json": {"schema": _REF}}}
        }
        if endpoint.media_type is not None:
            kwargs["response_class"] = Response
            responses[endpoint.status] = {
                "content": {endpoint.media_type: {"schema": {"type": "string", "format": "binary"}}}
            }
        router.add_api_route(
            prefix + endpoint.path,
            endpoint.handler,
            methods=[endpoint.method],
            tags=[tag],
            status_code=endpoint.status,
            response_model=endpoint.response,
            summary=endpoint.summary,
            description=f"For: {endpoint.for_whom}.",
            operation_id=_operation_id(endpoint),
            responses=responses,
            route_class_override=_GUARDS[endpoint.permission],
            **kwargs,
        )


_REF = {"$ref": f"#/components/schemas/{Problem.__name__}"}


def _operation_id(endpoint: Endpoint) -> str:
    parts = [part.strip("{}") for part in endpoint.path.split("/") if part]
    return "-".join([endpoint.method.lower(), *parts])
