"""What each role may do: the one place where that is said. What is not said here is refused.

These are rights over what belongs to everybody or to others. What is a person's own (their account, their sessions,
the desktop that they were given) is theirs in every role.
"""

from __future__ import annotations

from enum import Enum

from frazil.wire.rest import Role


class Right(Enum):
    """One thing that a role may allow. The value says it in words."""

    SEE_PEOPLE = "see users and groups"
    SET_PASSWORDS = "give others a new password"
    CHANGE_PEOPLE = "add, change and delete users and groups, and give roles and quotas"
    SEE_POOLS = "see all pools and who may use them"
    CHANGE_POOLS = "make, change and delete pools, and say who may use them"
    USE_EVERY_POOL = "use a desktop of every pool"
    SEE_IMAGES = "see images, and the progress of slow calls"
    CHANGE_IMAGES = "make and delete images"
    SEE_HOSTS = "see hosts and what is in quarantine on them"
    CHANGE_HOSTS = "let hosts join, label, maintain, revoke and forget them, and take back what is in quarantine"
    SEE_DESKTOPS = "see all desktops, their screens and their history"
    RUN_DESKTOPS = "start, restart, stop, pause and retry desktops"
    DELETE_DESKTOPS = "delete desktops"
    SEE_SESSIONS = "see all sessions"
    END_SESSIONS = "end sessions"
    SEE_EVENTS = "see everything that happened"
    SEE_METRICS = "read measurements, as Prometheus does"


_SEE = frozenset(
    {
        Right.SEE_PEOPLE,
        Right.SEE_POOLS,
        Right.SEE_IMAGES,
        Right.SEE_HOSTS,
        Right.SEE_DESKTOPS,
        Right.SEE_SESSIONS,
        Right.SEE_EVENTS,
        Right.SEE_METRICS,
    }
)

RIGHTS: dict[Role, frozenset[Right]] = {
    "user": frozenset(),
    "helpdesk": frozenset(
        {
            Right.SEE_PEOPLE,
            Right.SET_PASSWORDS,
            Right.SEE_POOLS,
            Right.SEE_DESKTOPS,
            Right.RUN_DESKTOPS,
            Right.SEE_SESSIONS,
            Right.END_SESSIONS,
        }
    ),
    "pool-admin": (_SEE - {Right.SEE_EVENTS})
    | {
        Right.CHANGE_POOLS,
        Right.CHANGE_IMAGES,
        Right.RUN_DESKTOPS,
        Right.DELETE_DESKTOPS,
        Right.END_SESSIONS,
    },
    "auditor": _SEE,
    "administrator": frozenset(Right),
}
"""Roles from the least to the most; see docs/adr/0305-roles-are-rights-in-one-table.md."""

ROLE_WORDS: dict[Role, str] = {
    "user": "users",
    "helpdesk": "the helpdesk",
    "pool-admin": "pool administrators",
    "auditor": "auditors",
    "administrator": "administrators",
}


def rights_of(role: str) -> frozenset[Right]:
    """No right at all for a role that is not known here, as one that a newer controller gave."""
    return next((rights for known, rights in RIGHTS.items() if known == role), frozenset())


def covers(role: str, other: str) -> bool:
    """Whether `role` may do all that `other` may: nobody gives a role, or a password, that is above their own."""
    return rights_of(role) >= rights_of(other)


def roles_with(right: Right) -> list[Role]:
    return [role for role, rights in RIGHTS.items() if right in rights]


def for_whom(right: Right) -> str:
    """The roles in words: "administrators", or "the helpdesk and administrators"."""
    *others, last = [ROLE_WORDS[role] for role in roles_with(right)]
    return f"{', '.join(others)} and {last}" if others else last
