"""Tells the controller how each session's line is, every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

import structlog

from frazil.gateway.controller_side import ControllerSide
from frazil.gateway.sessions import LiveSession, LiveSessions
from frazil.model.clock import Clock
from frazil.model.errors import NotFound, Refused, Unavailable
from frazil.wire.sessions import LINES_MAX, Line, Lines

EVERY_S = 5.0

_log = structlog.get_logger()


async def tell(controller: ControllerSide, sessions: LiveSessions, *, clock: Clock) -> None:
    """Tell until cancelled. What can't be delivered is not kept: the next ones say it all again."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            for lines in measured(sessions, now_s=clock.monotonic_s()):
                await controller.say_lines(lines)
        except (Unavailable, NotFound, Refused) as exc:  # A controller of before this knows no such address.
            _log.debug("gateway.lines-untold", why=exc.what)


def measured(sessions: LiveSessions, *, now_s: float) -> Iterator[Lines]:
    """All living sessions, in bodies of at most `LINES_MAX`, made one by one; none when there is none."""
    left = iter(sessions)
    while some := [_line(session, now_s) for session in islice(left, LINES_MAX)]:
        yield Lines(lines=some)


def _line(session: LiveSession, now_s: float) -> Line:
    traffic = session.traffic
    return Line(
        session_id=session.session_id,
        links=1 + len(session.others),
        to_viewer_bytes=traffic.to_viewer_bytes,
        to_desktop_bytes=traffic.to_desktop_bytes,
        stalls=traffic.stalls,
        latency_ms=None if session.latency_s is None else round(session.latency_s * 1000, 1),
        idle_s=round(max(0.0, now_s - session.traffic.input_s), 1),
    )
