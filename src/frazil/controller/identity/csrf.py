"""Refusing requests that another site made a person's browser send."""

from __future__ import annotations

import hmac

from frazil.controller.identity.identity import Identity
from frazil.model.errors import Refused

HEADER = "X-CSRF-Token"
FIELD = "csrf_token"


def check(identity: Identity, token: str | None) -> None:
    """Raise Refused unless `token` is that of the caller's login. Who came without a cookie needs none."""
    if identity.csrf is None:
        return
    if token is None or not hmac.compare_digest(identity.csrf.encode(), token.encode()):
        raise Refused(
            "This request did not come from Frazil's own page, or the page is from before you signed in.",
            remedy="Load the page again and repeat what you did.",
        )
