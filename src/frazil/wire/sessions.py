"""What the gateway asks the controller about sessions, on the controller's internal UNIX socket (HTTP, JSON).

========================================  =============================================================
``GET  /internal/v1/sessions/{id}/route``  `Route`, or 404 when there is no such open session
``POST /internal/v1/tickets/redeem``       `RedeemRequest` → `Redeemed`; 403 with a problem document otherwise
``POST /internal/v1/sessions/{id}/state``  `LinkState`: a session's main link came or went
``POST /internal/v1/refusals``             `Refusals`: links that were refused without asking the controller
``POST /internal/v1/lines``                `Lines`: how the living sessions are, every few seconds
``GET  /internal/v1/revocations``          a stream of JSON lines; blank lines keep it alive
========================================  =============================================================

The stream carries `Revocation` and, to who asks for it with ``?policies=true``, `PolicyChanged` and `HostRevoked`: a
gateway of before policies takes every line for a revocation. Who reads ignores lines of a `kind` that it does not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from frazil.wire.base import Message
from frazil.wire.hostlink import EpochField
from frazil.wire.policy import PolicyField

TICKET_MAX_BYTES = 60
"""SPICE's password field ends here (128-byte RSA-OAEP-SHA1 block less its overhead and the NUL)."""

LINES_MAX = 100


class Route(Message):
    """Where a session's desktop is, and what may pass to and from it.

    `host_address`: where the host's server hands out displays by TLS; empty where it does so on this machine.
    `host_trusted`: false once the host was revoked; nothing on it is to be shown then.

    `policy` is what the pool and the person both allow. It has a `policy_version` that only grows, so that of two
    that come by different ways the newer one is known; an older controller says neither, and allows everything.
    """

    session_id: str
    desktop_id: str
    desktop_name: str
    host_id: str
    epoch: EpochField
    host_address: str = ""
    host_trusted: bool = True
    policy: PolicyField = PolicyField()
    policy_version: int = 0


class RedeemRequest(Message):
    """The first main link of a session gives its ticket. It is good once."""

    session_id: str
    ticket: str
    remote_address: str


class Redeemed(Message):
    """The ticket was good and is now used up. `route` is as of the same transaction."""

    route: Route
    user_id: str
    expires_at: datetime | None = None


class LinkState(Message):
    connected: bool
    remote_address: str
    reason: str = ""


class Refusal(Message):
    """A link to a session was refused, `times` in a row for the same reason; `why` is a whole sentence."""

    session_id: str
    remote_address: str
    why: str
    times: int = 1


class Refusals(Message):
    refusals: list[Refusal]


class Line(Message):
    """One living session as its gateway measures it; bytes and stalls since its main link was let in.

    `stalls`: how often the viewer's side took no more for a while. `latency_ms`: there and back; null when unknown.
    `idle_s`: for how long the viewer has used neither keyboard nor mouse; null from a gateway that does not know.
    """

    session_id: str
    links: int
    to_viewer_bytes: int
    to_desktop_bytes: int
    stalls: int
    latency_ms: float | None = None
    idle_s: float | None = None


class Lines(Message):
    """At most `LINES_MAX`: whoever makes or reads a body lets everything else wait meanwhile, a millisecond here."""

    lines: list[Line]


class Revocation(Message):
    """This session is over: every link of it is cut at once."""

    kind: Literal["revocation"] = "revocation"
    session_id: str
    reason: str


class HostRevoked(Message):
    """A host is trusted no more: every link to a desktop on it is cut, and its sessions stay open.

    It is said again and again for a minute, since a link may just be let in while it is said.
    """

    kind: Literal["host-revoked"] = "host-revoked"
    host_id: str


class PolicyChanged(Message):
    """From now on another policy holds for this session. May be said again, and of a session that is not linked."""

    kind: Literal["policy"] = "policy"
    session_id: str
    policy: PolicyField
    policy_version: int
