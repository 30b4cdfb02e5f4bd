"""From an answer that says no to the error that it means: the one table on this side."""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from frazil.model.errors import (
    Conflict,
    FrazilError,
    HostError,
    InvalidInput,
    NotFound,
    NotSignedIn,
    OutOfSpace,
    Refused,
    Stale,
    Throttled,
    Unavailable,
)
from frazil.wire.rest import Problem

PREFIX = "urn:frazil:problem:"
BY_STATUS: dict[int, type[FrazilError]] = {
    400: InvalidInput,
    401: NotSignedIn,
    403: Refused,
    404: NotFound,
    409: Conflict,
    412: Stale,
    413: InvalidInput,
    422: InvalidInput,
    429: Throttled,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: OutOfSpace,
}
"""What is meant when the answer is no problem document, or one with a code that this version does not know."""
LONGEST_SHOWN = 200


def by_code() -> dict[str, type[FrazilError]]:
    """Each error of `frazil.model.errors` by its stable code; what a part derives from them for itself is not told."""
    found: dict[str, type[FrazilError]] = {}
    waiting: list[type[FrazilError]] = [FrazilError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__ != FrazilError.__module__:
            continue
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found


def error_of(response: httpx.Response) -> FrazilError:
    """The error that this answer (of status 400 and above) means."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return _bare(response)
    kind = by_code().get(problem.type.removeprefix(PREFIX)) or _by_status(response.status_code)
    remedy = problem.remedy
    if response.status_code >= 500 and problem.reference:
        remedy = f"{remedy} The controller's log has it under {problem.reference}.".strip()
    return _make(kind, problem.detail, remedy=remedy, field=problem.field, response=response)


def _bare(response: httpx.Response) -> FrazilError:
    text = " ".join(response.text.split())[:LONGEST_SHOWN]
    what = f"The controller answered {response.status_code} {response.reason_phrase}" + (f": {text}" if text else "")
    remedy = "Is this address Frazil's?" if response.status_code < 500 else "Try again in a moment; see: frazil doctor."
    return _make(_by_status(response.status_code), f"{what}.", remedy=remedy, field=None, response=response)


def _by_status(status: int) -> type[FrazilError]:
    return BY_STATUS.get(status, HostError if status >= 500 else FrazilError)


def _make(
    kind: type[FrazilError], what: str, *, remedy: str, field: str | None, response: httpx.Response
) -> FrazilError:
    if issubclass(kind, Throttled):
        given = response.headers.get("retry-after", "")
        return kind(what, remedy=remedy, retry_after_s=float(given) if given.isdigit() else 1.0)
    if issubclass(kind, InvalidInput):
        return kind(what, remedy=remedy, field=field)
    return kind(what, remedy=remedy)
