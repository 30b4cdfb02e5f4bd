"""What is told of living sessions."""

from __future__ import annotations

from frazil.gateway.measuring import measured
from frazil.gateway.sessions import LiveSessions
from frazil.model.policy import Policy
from frazil.wire.sessions import LINES_MAX, Line
from tests.unit.gateway.test_sessions import Recorder


def test_nothing_is_told_of_nobody() -> None:
    assert list(measured(LiveSessions(), now_s=5.0)) == []


def test_each_session_is_told_once_and_no_body_is_too_large() -> None:
    sessions = LiveSessions()
    for number in range(LINES_MAX + 1):
        session = sessions.open(str(number), b"t", Recorder(), policy=Policy(), policy_version=1, host_id="host-1")
    session.others.add(Recorder())
    session.latency_s = 0.0234
    session.traffic.to_viewer_bytes, session.traffic.to_desktop_bytes, session.traffic.stalls = 3000, 20, 1
    session.traffic.input_s = 70.0
    first, second = measured(sessions, now_s=100.04)
    assert len({line.session_id for line in first.lines}) == LINES_MAX
    assert second.lines == [
        Line(
            session_id=str(LINES_MAX),
            links=2,
            to_viewer_bytes=3000,
            to_desktop_bytes=20,
            stalls=1,
            latency_ms=23.4,
            idle_s=30.0,
        )
    ]
