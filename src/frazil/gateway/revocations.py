"""Cuts the sessions that the controller has ended, and links to hosts that it revoked; hands on changed policies."""

from __future__ import annotations

import asyncio

import structlog

from frazil.gateway.backoff import Backoff
from frazil.gateway.controller_side import ControllerSide
from frazil.gateway.sessions import LiveSessions
from frazil.model.errors import NotFound, Refused, Unavailable
from frazil.wire.sessions import HostRevoked, PolicyChanged, Revocation

_log = structlog.get_logger()


async def follow(controller: ControllerSide, sessions: LiveSessions) -> None:
    """Listen until cancelled.

    While the controller is away, living links go on; what was ended meanwhile is found out as soon as it is back.
    """
    backoff = Backoff()
    told_away = False
    while True:
        try:
            async with controller.changes() as stream:
                if told_away:
                    _log.info("gateway.revocations-back")
                backoff.reset()
                told_away = False
                await _recheck(controller, sessions)
                async for change in stream:
                    _apply(change, sessions)
        except (Unavailable, Refused) as exc:
            if not told_away:
                _log.warning("gateway.revocations-away", why=exc.what)
                told_away = True
        await asyncio.sleep(backoff.next_s())


def _apply(change: Revocation | PolicyChanged | HostRevoked, sessions: LiveSessions) -> None:
    match change:
        case Revocation(session_id=session_id, reason=reason):
            cut = sessions.revoke(session_id, reason)
            _log.info("gateway.revoked", session_id=session_id, cut=cut, reason=reason)
        case PolicyChanged(session_id=session_id):
            if sessions.change_policy(session_id, change.policy.value(), change.policy_version):
                _log.info("gateway.policy-changed", session_id=session_id, version=change.policy_version)
        case HostRevoked(host_id=host_id):
            if cut_sessions := sessions.cut_host(host_id):
                _log.info("gateway.host-revoked", host_id=host_id, cut=cut_sessions)


async def _recheck(controller: ControllerSide, sessions: LiveSessions) -> None:
    """Changes may have been said while nobody listened: ask how each living session is now."""
    for session in sessions:
        try:
            route = await controller.route(session.session_id)
        except NotFound:
            sessions.revoke(session.session_id, "This session has ended.")
            _log.info("gateway.revoked", session_id=session.session_id, cut=True, reason="found ended")
        else:
            now = PolicyChanged(session_id=session.session_id, policy=route.policy, policy_version=route.policy_version)
            _apply(now, sessions)
            if not route.host_trusted:
                _apply(HostRevoked(host_id=route.host_id), sessions)
