"""Set-up, logins, tokens, users."""

from __future__ import annotations

from fastapi import Request, Response

from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint, Permission
from frazil.controller.api.params import Cursor, IfMatch, Limit, etag, version_of
from frazil.controller.identity import Right
from frazil.controller.identity.cookies import clear_cookie, set_cookie
from frazil.wire.rest import (
    ApiToken,
    Login,
    LoginRequest,
    NewApiToken,
    Page,
    PasswordRequest,
    SetupLink,
    SetupRequest,
    TokenRequest,
    User,
    UserChange,
    UserRequest,
)

__all__ = ["ENDPOINTS"]


async def make_setup_link(caller: Caller, services: Svc) -> SetupLink:
    return await services.setup.make_link(caller)


async def set_up(request: Request, body: SetupRequest, services: Svc) -> User:
    return await services.setup.first_administrator(body, remote_address=request.state.remote_address)


async def sign_in(request: Request, response: Response, body: LoginRequest, services: Svc) -> Login:
    signed_in = await services.logins.sign_in(body, remote_address=request.state.remote_address)
    set_cookie(response, signed_in.cookie)
    return signed_in.login


async def sign_out(response: Response, caller: Caller, services: Svc) -> None:
    await services.logins.sign_out(caller)
    clear_cookie(response)


async def me(caller: Caller, services: Svc) -> User:
    return await services.people.me(caller)


async def list_tokens(caller: Caller, services: Svc, limit: Limit = 100, cursor: Cursor = None) -> Page[ApiToken]:
    return await services.tokens.list_for(caller, limit=limit, cursor=cursor)


async def create_token(caller: Caller, body: TokenRequest, services: Svc) -> NewApiToken:
    return await services.tokens.create(caller, body)


async def delete_token(id: str, caller: Caller, services: Svc) -> None:
    await services.tokens.delete(caller, id)


async def list_users(caller: Caller, services: Svc, limit: Limit = 100, cursor: Cursor = None) -> Page[User]:
    return await services.people.list_for(caller, limit=limit, cursor=cursor)


async def create_user(caller: Caller, body: UserRequest, services: Svc) -> User:
    return await services.people.create(caller, body)


async def show_user(user: str, response: Response, caller: Caller, services: Svc) -> User:
    shown = await services.people.show(caller, user)
    response.headers["ETag"] = etag(shown.version)
    return shown


async def change_user(
    user: str, response: Response, caller: Caller, body: UserChange, services: Svc, if_match: IfMatch = None
) -> User:
    changed = await services.people.change(caller, user, body, if_match=version_of(if_match))
    response.headers["ETag"] = etag(changed.version)
    return changed


async def set_password(user: str, caller: Caller, body: PasswordRequest, services: Svc) -> None:
    await services.people.set_password(caller, user, body)


async def delete_user(user: str, caller: Caller, services: Svc) -> None:
    await services.people.delete(caller, user)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/setup/link",
        permission=Permission.LOCAL_ROOT,
        handler=make_setup_link,
        status=201,
        response=SetupLink,
        summary="Make a new one-time link for the first administrator",
    ),
    Endpoint(
        method="POST",
        path="/setup",
        permission=Permission.ANYONE,
        handler=set_up,
        status=201,
        response=User,
        summary="Make the first administrator",
    ),
    Endpoint(
        method="POST",
        path="/logins",
        permission=Permission.ANYONE,
        handler=sign_in,
        status=201,
        response=Login,
        summary="Sign in",
    ),
    Endpoint(
        method="DELETE",
        path="/logins/current",
        permission=Permission.SIGNED_IN,
        handler=sign_out,
        status=204,
        summary="Sign out",
    ),
    Endpoint(
        method="GET",
        path="/me",
        permission=Permission.SIGNED_IN,
        handler=me,
        response=User,
        summary="Who is signed in",
    ),
    Endpoint(
        method="GET",
        path="/tokens",
        permission=Permission.SIGNED_IN,
        handler=list_tokens,
        response=Page[ApiToken],
        summary="List your API tokens",
    ),
    Endpoint(
        method="POST",
        path="/tokens",
        permission=Permission.SIGNED_IN,
        handler=create_token,
        status=201,
        response=NewApiToken,
        summary="Make an API token",
    ),
    Endpoint(
        method="DELETE",
        path="/tokens/{id}",
        permission=Permission.SIGNED_IN,
        handler=delete_token,
        status=204,
        summary="Delete an API token",
    ),
    Endpoint(
        method="GET",
        path="/users",
        permission=Right.SEE_PEOPLE,
        handler=list_users,
        response=Page[User],
        summary="List users",
    ),
    Endpoint(
        method="POST",
        path="/users",
        permission=Right.CHANGE_PEOPLE,
        handler=create_user,
        status=201,
        response=User,
        summary="Add a user",
    ),
    Endpoint(
        method="GET",
        path="/users/{user}",
        permission=Permission.SIGNED_IN,
        others=Right.SEE_PEOPLE,
        handler=show_user,
        response=User,
        summary="Show a user",
    ),
    Endpoint(
        method="PATCH",
        path="/users/{user}",
        permission=Right.CHANGE_PEOPLE,
        handler=change_user,
        response=User,
        summary="Change a user's role, how much they may use, or what may pass for them",
    ),
    Endpoint(
        method="PUT",
        path="/users/{user}/password",
        permission=Permission.SIGNED_IN,
        others=Right.SET_PASSWORDS,
        handler=set_password,
        status=204,
        summary="Change a password; another's logins and API tokens end, of one's own the other logins",
    ),
    Endpoint(
        method="DELETE",
        path="/users/{user}",
        permission=Right.CHANGE_PEOPLE,
        handler=delete_user,
        status=204,
        summary="Delete a user",
    ),
)
