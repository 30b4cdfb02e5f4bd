"""Phases in words, and why a desktop is not ready."""

from __future__ import annotations

from frazil.controller.store.rows import DesktopRow
from frazil.model.desktop import Failure, Phase, Power
from frazil.model.policy import Policy
from frazil.model.quota import Amounts
from frazil.wire.rest import PoolCounts

PHASE_TEXT: dict[Phase, str] = {
    Phase.WAITING: "Waiting for a place on a host",
    Phase.STARTING: "Starting",
    Phase.READY: "Ready",
    Phase.PAUSED: "Paused",
    Phase.STOPPING: "Stopping",
    Phase.STOPPED: "Stopped",
    Phase.DELETING: "Being deleted",
    Phase.GONE: "Gone",
    Phase.FAILED: "Failed",
    Phase.UNKNOWN: "Unknown",
}


DELETED = "Deleted, and kept"
"""The word for a desktop in the recycle bin, whatever its phase."""


def deleting(counts: PoolCounts) -> str:
    """How far the deletion of a pool is."""
    if counts.kept == 0 or counts.kept < counts.total:
        return "The pool is being deleted."
    return f"The pool was deleted. Desktops of it that can be restored: {counts.kept}."


def forbidden(policy: Policy) -> str:
    """What a policy forbids, as a sentence."""
    return f"Forbidden: {'; '.join(policy.forbidden())}." if policy.forbidden() else "Nothing is forbidden."


def limited(quota: Amounts) -> str:
    """What a quota limits, as a sentence."""
    return f"At most: {'; '.join(quota.in_words())}." if quota.limits else "Nothing is limited."


def held_up(row: DesktopRow, phase: Phase) -> Failure | None:
    """What keeps this desktop from being used until it passes, as a full disk does."""
    return row.held_up if phase in (Phase.STARTING, Phase.PAUSED) else None


def why(row: DesktopRow, phase: Phase, *, waiting: str, maintenance: bool = False) -> str:
    """Why this desktop is not ready, in whole sentences; empty when it is. maintenance: its host is in it."""
    seen = row.fresh_seen
    now = f" Now: {row.step}." if seen is not None and row.step else ""
    if row.kept_until is not None:
        return "It was deleted, and can be restored until its time is over."
    held = held_up(row, phase)
    if held is not None:
        return f"{held.text} {held.remedy}".rstrip()
    match phase:
        case Phase.READY | Phase.GONE:
            return ""
        case Phase.WAITING:
            return waiting or "It is about to be placed on a host."
        case Phase.STARTING:
            if row.power is Power.PAUSED:
                return f"Its host is pausing it.{now}"
            return f"Its host is starting it.{now}"
        case Phase.FAILED:
            failure = row.failure
            return f"{failure.text} {failure.remedy}".rstrip() if failure is not None else ""
        case Phase.PAUSED:
            return "It is paused: it keeps its memory and uses no processor time. Opening it wakes it."
        case Phase.STOPPED if maintenance:
            return "It is stopped, and its host is in maintenance: it is not started until that ends."
        case Phase.STOPPED:
            return "It was stopped and is not wanted running. Start it to use it."
        case Phase.STOPPING if row.restart:
            return f"It is being restarted: it was asked to shut down first.{now}"
        case Phase.STOPPING:
            how = "was asked to shut down" if row.graceful else "is being stopped"
            return f"It {how}.{now}"
        case Phase.DELETING:
            if seen is not None and seen.failure is not None:
                return f"Its host could not delete it: {seen.failure.text} {seen.failure.remedy}".rstrip()
            return f"Its host is deleting it.{now}"
        case Phase.UNKNOWN:
            return (
                "Its host has not been heard from, so nothing is known about it now; it may well be running. "
                "It is left alone until the host is back."
            )
