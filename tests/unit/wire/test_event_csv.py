"""Events as CSV: what a reader of RFC 4180 gets back, and what no spreadsheet computes."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.wire import event_csv
from frazil.wire.rest import Event

EVENT = Event(
    id="e1",
    at=datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
    kind="login",
    text="anna signed in.",
    user_id="u1",
    user_name="anna",
    desktop_id=None,
    remote_address="192.0.2.7",
    outcome="done",
)


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_a_header_and_a_line_each_ends_with_crlf() -> None:
    assert event_csv.header() == "at,kind,outcome,user_name,remote_address,text,desktop_id,user_id,id\r\n"
    assert event_csv.lines([EVENT, EVENT]) == 2 * (
        "2030-01-01T12:00:00.123Z,login,done,anna,192.0.2.7,anna signed in.,,u1,e1\r\n"
    )
    assert event_csv.lines([]) == ""
    assert set(event_csv.COLUMNS) == set(Event.model_fields)


def test_times_are_utc() -> None:
    elsewhere = EVENT.at.astimezone(timezone(timedelta(hours=2)))
    assert event_csv.lines([EVENT.model_copy(update={"at": elsewhere})]) == event_csv.lines([EVENT])


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "＝", "＋", "－", "＠"])
def test_no_cell_is_a_formula(first: str) -> None:
    typed = f'{first}HYPERLINK("http://evil.example","x")'
    hostile = EVENT.model_copy(update={"user_name": typed, "text": typed, "kind": typed, "remote_address": typed})
    [cells] = _read(event_csv.lines([hostile]))
    assert cells.count(f"'{typed}") == 4
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_what_is_in_the_middle_of_a_cell_stays() -> None:
    [cells] = _read(event_csv.lines([EVENT.model_copy(update={"text": "a=b, +1 – x@y"})]))
    assert "a=b, +1 – x@y" in cells


@given(st.text(), st.text())
def test_every_text_comes_back(text: str, name: str) -> None:
    written = event_csv.header() + event_csv.lines([EVENT.model_copy(update={"text": text, "user_name": name})])
    header, cells = _read(written)
    told = dict(zip(header, cells, strict=True))
    assert told["text"] in (text, f"'{text}")
    assert told["user_name"] in (name, f"'{name}")
