"""The login cookie."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

COOKIE_NAME = "__Host-frazil"
"""The prefix makes browsers insist on Secure, Path=/ and no Domain."""
LOGIN_LASTS = timedelta(hours=12)
"""Counted from the last use."""


def set_cookie(response: Response, value: str) -> None:
    response.set_cookie(
        COOKIE_NAME,
        value,
        max_age=int(LOGIN_LASTS.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE_NAME, path="/", secure=True, httponly=True, samesite="lax")
