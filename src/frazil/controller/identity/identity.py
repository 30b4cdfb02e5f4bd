"""The caller of a use case."""

from __future__ import annotations

from dataclasses import dataclass

from frazil.controller.identity.rights import Right, covers, for_whom, rights_of
from frazil.model.errors import Conflict, Refused
from frazil.wire.rest import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is calling, established before any use case runs.

    user_id: None for this machine's root on the local socket, who has no account and so no desktops.
    login_id, csrf: set when a login cookie was shown; `csrf` must then come with each unsafe request.
    cookie_renewed: the login's end was moved on just now; its cookie is to be given again, so that it ends then too.
    token_id: set when an API token was shown.
    remote_address: of the person, as the gateway saw it.
    """

    user_id: str | None
    name: str
    role: Role
    login_id: str | None = None
    csrf: str | None = None
    cookie_renewed: bool = False
    token_id: str | None = None
    remote_address: str | None = None

    def may(self, right: Right) -> bool:
        return right in rights_of(self.role)

    def require(self, right: Right) -> None:
        """Raise Refused unless the caller's role has this right."""
        if not self.may(right):
            raise Refused(f"Only {for_whom(right)} may {right.value}.", remedy="Ask one of them.")

    def require_covers(self, role: Role, what: str) -> None:
        """Raise Refused unless the caller may do all that `role` may; `what` is refused otherwise."""
        if not covers(self.role, role):
            raise Refused(
                f"{what} needs a role that may do all that the role {role} may.", remedy="Ask an administrator."
            )

    def require_account(self) -> str:
        """The user's id; raises Conflict for root on the local socket."""
        if self.user_id is None:
            raise Conflict(
                "This machine's root has no account and so no desktop of its own.",
                remedy="Sign in as a user, or with a user's API token.",
            )
        return self.user_id


LOCAL_ROOT = Identity(user_id=None, name="local root", role="administrator")
"""Whoever can open the local socket: its directory lets only root in."""
