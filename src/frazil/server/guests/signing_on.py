"""Signing a person on in a guest: what is called, and what the guest says of it (docs/reference/guest-service.md).

A token is taken once by a guest. What was taken is asked of the guest each time, so that neither a restart of this
process nor a lost answer signs a person on twice, or not at all.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping

from pydantic import ValidationError

from frazil.wire.hostlink import Person, SignOn

CALL = "sign_on"
ACCOUNT_MAX = 24
"""Room is left for what a guest adds to a name that its system has already; useradd takes 32 characters."""


def account_name(name: str) -> str:
    """A user's name as a Linux account's: small letters, digits, `_`, `.` and `-`, beginning with a letter.

    Each machine has one person, so two names that become the same do no harm.
    """
    plain = unicodedata.normalize("NFKD", name.partition("@")[0]).encode("ascii", "ignore").decode().lower()
    cleaned = re.sub(r"[^a-z0-9_.-]+", "-", plain).strip("-._")
    if not cleaned[:1].isalpha():
        cleaned = f"user-{cleaned}".rstrip("-")
    return cleaned[:ACCOUNT_MAX].rstrip("-.")


def arguments(person: Person) -> dict[str, str]:
    """The call's arguments. They hold a secret."""
    return {"user": account_name(person.name), "full_name": person.full_name, "token": person.token}


def token_sha256(token: str) -> str:
    """How a guest names a token that it took."""
    return hashlib.sha256(token.encode()).hexdigest()


def last_sign_on(said: Mapping[str, object]) -> SignOn | None:
    """The last sign-on that a guest tells of; None when it tells of none, or of nonsense."""
    told = said.get("sign_on")
    if not isinstance(told, dict):
        return None
    user, digest = told.get("user"), told.get("token_sha256")
    if not isinstance(user, str) or not isinstance(digest, str):
        return None
    try:
        return SignOn.model_validate(
            {
                "user": user[:64],
                "token_sha256": digest[:64],
                "state": told.get("is"),
                "panel": said.get("ready") is True,
            }
        )
    except ValidationError:
        return None
