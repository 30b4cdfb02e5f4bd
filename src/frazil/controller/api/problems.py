"""The one table from errors to problem documents (RFC 9457)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from frazil.model.errors import (
    Conflict,
    FrazilError,
    HostError,
    InvalidInput,
    NotFound,
    NotSignedIn,
    OutOfSpace,
    ProtocolError,
    Refused,
    Stale,
    Throttled,
    Unavailable,
)
from frazil.wire.rest import BODY_MAX_BYTES, Problem

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class PreconditionRequired(InvalidInput):
    """A change without `If-Match`."""

    code = "precondition-required"


# The first fitting row counts: what is more special stands first.
STATUS: tuple[tuple[type[FrazilError], int], ...] = (
    (PreconditionRequired, 428),
    (InvalidInput, 422),
    (NotFound, 404),
    (Stale, 412),
    (Conflict, 409),
    (Throttled, 429),
    (NotSignedIn, 401),
    (Refused, 403),
    (OutOfSpace, 503),
    (Unavailable, 503),
    (HostError, 502),
    (ProtocolError, 502),
    (FrazilError, 500),
)

TITLES: dict[int, str] = {
    401: "Nobody is signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not possible now",
    412: "Changed in the meantime",
    413: "Too large",
    422: "The request makes no sense",
    428: "A precondition is missing",
    429: "Too many tries",
    500: "Frazil made a mistake",
    502: "A host could not do its part",
    503: "Not reachable now",
}


def status_of(error: FrazilError) -> int:
    return next(status for kind, status in STATUS if isinstance(error, kind))


def reference() -> str:
    """What people quote and administrators search the log for."""
    return secrets.token_hex(6)


def of_error(error: FrazilError) -> Problem:
    status = status_of(error)
    return Problem(
        type=f"urn:frazil:problem:{error.code}",
        title=TITLES[status],
        status=status,
        detail=error.what,
        remedy=error.remedy,
        field=error.field if isinstance(error, InvalidInput) else None,
        reference=reference(),
    )


def too_large() -> Problem:
    return Problem(
        type="urn:frazil:problem:too-large",
        title=TITLES[413],
        status=413,
        detail=f"The request's body is larger than {BODY_MAX_BYTES} bytes.",
        remedy="Send less; files are imported with `frazil image import`.",
        reference=reference(),
    )


def of_http(exc: HTTPException) -> Problem:
    """What the framework itself refuses: unknown paths and methods, mostly."""
    if exc.status_code == 400:  # JSON by its form, but the parser gave up on it
        return _invalid("The body can't be read: it is nested too deep, or a number in it is too long.", None)
    codes = {404: "not-found", 405: "method-not-allowed"}
    details = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    fallback = HTTPStatus(exc.status_code).phrase
    return Problem(
        type=f"urn:frazil:problem:{codes.get(exc.status_code, 'refused')}",
        title=TITLES.get(exc.status_code, fallback),
        status=exc.status_code,
        detail=details.get(exc.status_code, str(exc.detail)),
        remedy="The API's addresses are in docs/reference/openapi.json." if exc.status_code in codes else "",
        reference=reference(),
    )


def of_validation(exc: RequestValidationError) -> Problem:
    """The first fault; its value is not repeated, since it may be a password."""
    first = exc.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    if first["type"] == "json_invalid":
        return _invalid("The body is not JSON.", None)
    if first["type"] == "string_pattern_mismatch":
        # The only pattern of a body is that of names (`wire.rest.Name`).
        return _invalid(
            f"{where}: a name has lower-case letters, digits, dots, dashes and underscores, begins and ends with a "
            "letter or digit, and has at most 64 of them.",
            where,
        )
    name = where or "The body"
    return _invalid(f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}.", where or None)


_BODY_REMEDY = "What each call takes is in docs/reference/openapi.json."


def _invalid(detail: str, field: str | None) -> Problem:
    return Problem(
        type="urn:frazil:problem:invalid-input",
        title=TITLES[422],
        status=422,
        detail=detail,
        remedy=_BODY_REMEDY,
        field=field,
        reference=reference(),
    )


def of_mistake() -> Problem:
    made = reference()
    return Problem(
        type="urn:frazil:problem:error",
        title=TITLES[500],
        status=500,
        detail="Something happened that Frazil does not know how to deal with; nothing more was done.",
        remedy=f"Give an administrator the reference {made}: the log says more under it.",
        reference=made,
    )


def response(problem: Problem, *, retry_after_s: float | None = None) -> Response:
    headers = {"Cache-Control": "no-store"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="frazil"'
    return Response(problem.model_dump_json(), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


PageRenderer = Callable[[Request, Problem], Response]


def install(app: FastAPI) -> None:
    """Every error of a request becomes a problem document, or a page where pages are asked for."""

    def answer(request: Request, problem: Problem, *, retry_after_s: float | None = None) -> Response:
        say = log.error if problem.status >= 500 else log.info
        say(
            "request.refused",
            reference=problem.reference,
            method=request.method,
            path=request.url.path if not request.url.path.startswith("/setup/") else "/setup/…",
            status=problem.status,
            type=problem.type,
            detail=problem.detail,
        )
        render: PageRenderer | None = getattr(app.state, "render_problem", None)
        if render is not None and not request.url.path.startswith(("/api/", "/internal/")):
            page = render(request, problem)
            if retry_after_s is not None:
                page.headers["Retry-After"] = str(max(1, round(retry_after_s)))
            return page
        return response(problem, retry_after_s=retry_after_s)

    async def on_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, FrazilError)
        retry_after_s = exc.retry_after_s if isinstance(exc, Throttled) else None
        return answer(request, of_error(exc), retry_after_s=retry_after_s)

    async def on_validation(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        return answer(request, of_validation(exc))

    async def on_http(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        return answer(request, of_http(exc))

    async def on_mistake(request: Request, exc: Exception) -> Response:
        problem = of_mistake()
        log.error("request.mistake", reference=problem.reference, exc_info=exc)
        return answer(request, problem)

    app.add_exception_handler(FrazilError, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_mistake)
