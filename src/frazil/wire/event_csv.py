"""Events as CSV (RFC 4180), for spreadsheets and for programs.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula, and names that somebody typed at
the sign-in are among the cells: such a cell gets an apostrophe before it, which spreadsheets take for "this is text"
(OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC

from frazil.wire.rest import Event

COLUMNS = ("at", "kind", "outcome", "user_name", "remote_address", "text", "desktop_id", "user_id", "id")
"""The fields of `Event`; times are ISO 8601 in UTC."""
BYTE_ORDER_MARK = "\ufeff"
"""Before the header, where it is for a spreadsheet: without it some take UTF-8 for something else."""

# A tab or a new line before a formula is skipped; the wide forms are what East Asian keyboards write.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def header() -> str:
    """The first line."""
    return _lines([COLUMNS])


def lines(events: Iterable[Event]) -> str:
    """One line an event (more, where its text has some)."""
    return _lines(
        (
            event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            *(_cell(getattr(event, name)) for name in COLUMNS[1:]),
        )
        for event in events
    )


def _cell(value: str | None) -> str:
    text = value or ""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(rows: Iterable[Iterable[str]]) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
