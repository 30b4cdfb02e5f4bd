"""The sessions that live in this process, and who may link to them.

A session lives as long as its main link. Its other links need the ticket that opened it *and* the connection id that
the back end gave in `MAIN_INIT`; when the main link goes, they go. Pure bookkeeping: no waiting, no I/O.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from frazil.gateway.close_codes import CloseCode
from frazil.model.policy import Policy

TOLD_KEPT = 4096
"""What was told of a session that is not linked is remembered: that closes the gap between redeeming and linking."""

STALL_S = 0.1
PIECE_S = 0.003
"""How long one WebSocket frame or TLS record is on the viewer's line. The viewer has nothing of it before its end."""
PIECE_LEAST_BYTES = 1 << 11
PIECE_MOST_BYTES = 1 << 16
PIECE_FIRST_BYTES = 1 << 14
"""While nothing is known of the line. Larger ones leave larger buffers behind."""
HOST_REVOKED = "This desktop's host is trusted no more: an administrator revoked it."
_log = structlog.get_logger()
T = TypeVar("T")


class Cuttable(Protocol):
    """A link, as far as the registry knows it."""

    def cut(self, code: CloseCode, reason: str) -> None:
        """End it soon. Never waits; a second call does nothing."""
        ...

    def change(self, policy: Policy) -> None:
        """Let another policy hold, for what is under way too. Never waits."""
        ...


@dataclass(slots=True)
class Traffic:
    """What all links of a session have carried since its main link was let in.

    `stalls`: how often what was meant for the viewer had to wait for `STALL_S` or longer. `input_s`: when the viewer's
    keyboard or mouse was last used, on the monotonic clock; at first when the main link was let in.
    """

    to_viewer_bytes: int = 0
    to_desktop_bytes: int = 0
    stalls: int = 0
    input_s: float = 0.0


@dataclass(slots=True, eq=False)
class LiveSession:
    """One main link and what hangs on it. `connection_id` is None until the back end has said it. `host_id`: of the
    host that its desktop is on.

    `latency_s`: to the viewer and back; `rate_bits_per_s`: of the line. None while they were not measured.
    """

    session_id: str
    ticket_hash: bytes
    main: Cuttable
    policy: Policy
    policy_version: int
    host_id: str
    connection_id: int | None = None
    others: set[Cuttable] = field(default_factory=set)
    traffic: Traffic = field(default_factory=Traffic)
    latency_s: float | None = None
    rate_bits_per_s: float | None = None

    @property
    def piece_bytes(self) -> int:
        """In how large pieces the viewer is to get what comes: see `PIECE_S`."""
        if self.rate_bits_per_s is None:
            return PIECE_FIRST_BYTES
        return min(max(int(self.rate_bits_per_s / 8 * PIECE_S), PIECE_LEAST_BYTES), PIECE_MOST_BYTES)

    def knows(self, ticket: bytes) -> bool:
        """Whether `ticket` opened this session, in constant time."""
        return hmac.compare_digest(self.ticket_hash, hash_ticket(ticket))

    def cut(self, code: CloseCode, reason: str) -> None:
        for link in (*self.others, self.main):
            link.cut(code, reason)

    def change(self, policy: Policy, version: int) -> bool:
        """Let `policy` hold from now on, unless a newer one does already; whether it is another one than before."""
        if version < self.policy_version:
            return False
        changed = policy != self.policy
        self.policy, self.policy_version = policy, version
        if changed:
            for link in (*self.others, self.main):
                self._change(link, policy)
        return changed

    def _change(self, link: Cuttable, policy: Policy) -> None:
        """One link's bug ends that link, which must not go on as before; the others hear of the policy all the same."""
        try:
            link.change(policy)
        except Exception:  # noqa: BLE001
            _log.exception("gateway.bug", session_id=self.session_id)
            link.cut(CloseCode.UNAVAILABLE, "What may pass has changed, and this link could not follow.")


def hash_ticket(ticket: bytes) -> bytes:
    """All that is kept of a ticket: it has 256 random bits, so that a plain hash can't be turned back."""
    return hashlib.sha256(ticket).digest()


class LiveSessions:
    """All sessions of this process, by id."""

    def __init__(self) -> None:
        self._live: dict[str, LiveSession] = {}
        self._revoked: OrderedDict[str, str] = OrderedDict()
        self._policies: OrderedDict[str, tuple[Policy, int]] = OrderedDict()

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(tuple(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def get(self, session_id: str) -> LiveSession | None:
        return self._live.get(session_id)

    def open(
        self, session_id: str, ticket: bytes, main: Cuttable, *, policy: Policy, policy_version: int, host_id: str
    ) -> LiveSession:
        """A main link was let in. An older one of the same session is cut, with all that hangs on it."""
        older = self._live.get(session_id)
        session = LiveSession(session_id, hash_ticket(ticket), main, policy, policy_version, host_id)
        if session_id in self._policies:
            session.change(*self._policies[session_id])
        self._live[session_id] = session
        if older is not None:
            older.cut(CloseCode.REPLACED, "This desktop was opened in another window.")
        if session_id in self._revoked:
            session.cut(CloseCode.ENDED, self._revoked[session_id])
        return session

    def close(self, session: LiveSession) -> bool:
        """The main link is gone; its others are cut. False when a newer main link has taken the session over."""
        for link in tuple(session.others):
            link.cut(CloseCode.MAIN_GONE, "The session's main link ended.")
        if self._live.get(session.session_id) is not session:
            return False
        del self._live[session.session_id]
        return True

    def revoke(self, session_id: str, reason: str) -> bool:
        """Cut every link of the session, now and later. Whether there was one."""
        _remember(self._revoked, session_id, reason)
        session = self._live.get(session_id)
        if session is not None:
            session.cut(CloseCode.ENDED, reason)
        return session is not None

    def cut_host(self, host_id: str) -> int:
        """Cut every link to desktops on a host that was revoked: in how many sessions. They may be linked again."""
        there = [session for session in self if session.host_id == host_id]
        for session in there:
            session.cut(CloseCode.BACKEND_GONE, HOST_REVOKED)
        return len(there)

    def change_policy(self, session_id: str, policy: Policy, version: int) -> bool:
        """Another policy holds for the session, now or when it is linked. Whether that changed a living one."""
        _remember(self._policies, session_id, (policy, version))
        session = self._live.get(session_id)
        return session is not None and session.change(policy, version)


def _remember(told: OrderedDict[str, T], session_id: str, value: T) -> None:
    """Keep the newest; the oldest is forgotten."""
    told[session_id] = value
    told.move_to_end(session_id)
    if len(told) > TOLD_KEPT:
        told.popitem(last=False)
