"""What gateways say of lines is believed while it is fresh."""

from __future__ import annotations

from frazil.controller.lines import FRESH_S, KnownLines
from frazil.wire.sessions import Line


def _line(session_id: str, *, links: int = 1) -> Line:
    return Line(session_id=session_id, links=links, to_viewer_bytes=0, to_desktop_bytes=0, stalls=0)


def test_the_newest_counts_and_what_is_not_said_again_is_forgotten() -> None:
    known = KnownLines()
    known.heard([_line("a"), _line("b")], now_s=100)
    known.heard([_line("a", links=3)], now_s=105)
    assert known.of("a", now_s=105) == _line("a", links=3)
    assert known.of("b", now_s=100 + FRESH_S) == _line("b")
    assert known.of("b", now_s=101 + FRESH_S) is None
    assert known.of("c", now_s=105) is None
    known.heard([], now_s=100 + 10 * FRESH_S)
    assert known.of("a", now_s=105) is None
