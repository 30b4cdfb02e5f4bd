"""`frazil events`: what it asks for, and how it writes what it is told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType

import pytest
from rich.console import Console

from frazil.cli import output
from frazil.cli.commands import events
from frazil.cli.exits import Exit
from frazil.cli.main import run
from frazil.wire.rest import Event

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


class History:
    """A client of a controller with this history, newest first. It fits whatever is asked for."""

    def __init__(self, length: int) -> None:
        self.asked: dict[str, object] = {}
        self.read = 0
        self._length = length

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def events(self, **asked: object) -> Iterator[Event]:
        self.asked = asked
        for n in range(self._length):
            self.read += 1
            yield Event(
                id=f"e{n}",
                at=NOON - timedelta(minutes=n),
                kind="login",
                text=f"user-{n} signed in.",
                user_id=f"u{n}",
                user_name=f"user-{n}",
                desktop_id=None,
                remote_address="192.0.2.7",
                outcome="done",
            )


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    made = History(1203)
    monkeypatch.setattr(events, "connect", lambda: made)
    return made


def test_what_is_said_is_asked_for(history: History) -> None:
    words = "--user anna --kind session. --outcome refused --desktop office-1 --text 100%"
    times = ["--since", "2030-01-01 08:00", "--until", "2030-01-31"]
    assert run(["events", *words.split(), *times, "--limit", "3"]) == Exit.DONE
    assert history.asked == {
        "user": "anna",
        "kind": "session.",
        "outcome": "refused",
        "desktop": "office-1",
        "text": "100%",
        "since": datetime(2030, 1, 1, 8, tzinfo=UTC),
        "until": datetime(2030, 2, 1, tzinfo=UTC),
        "page_size": 4,
    }


def test_a_table_has_the_newest_and_says_that_there_are_more(
    history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["events"]) == Exit.DONE
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split() == ["WHEN", "OUTCOME", "WHO", "FROM", "KIND", "WHAT"]
    assert lines[2].split()[:7] == ["2030-01-31", "12:00:00", "done", "user-0", "192.0.2.7", "login", "user-0"]
    assert len(lines) == 2 + events.SHOWN
    assert "The newest 50 are shown; --limit shows more" in said.err
    assert history.read == 51
    assert run(["events", "--limit", "5"]) == Exit.DONE
    said = capsys.readouterr()
    assert (len(said.out.splitlines()), said.err) == (7, "")


def test_a_narrow_terminal_has_two_lines_an_event(
    history: History, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "console", lambda: Console(width=80, highlight=False))
    assert run(["events", "--limit", "1"]) == Exit.DONE
    _, _, first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["2030-01-31", "12:00:00", "user-0", "user-0", "signed", "in."]
    assert second.split() == ["done", "192.0.2.7", "login"]


def test_nothing_that_fits_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "connect", lambda: History(0))
    assert run(["events"]) == Exit.DONE
    assert capsys.readouterr() == ("", "Nothing that fits has happened.\n")
    assert run(["events", "--csv"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("at,kind,")
    assert run(["events", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(("more", "count"), [([], 1203), (["--limit", "7"], 7)])
def test_programs_get_all_unless_they_say_how_many(
    history: History, capsys: pytest.CaptureFixture[str], more: list[str], count: int
) -> None:
    assert run(["events", "--json", *more]) == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert [event["id"] for event in told] == [f"e{n}" for n in range(count)]
    assert run(["events", "--csv", *more]) == Exit.DONE
    written = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(written.out, newline=""), strict=True))
    assert [row["id"] for row in rows] == [f"e{n}" for n in range(count)]
    assert written.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--csv", "--json"], "both want the standard output"),
        (["--since", "yesterday"], "'yesterday' is no time. Write it like"),
        (["--until", "2y"], "'2y' is no time"),
        (["--outcome", "well"], "well"),
        (["--limit", "0"], "greater than or equal to 1"),
    ],
)
def test_a_wrong_call_asks_for_nothing(
    history: History, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["events", *words]) == Exit.WRONG_CALL
    assert said in capsys.readouterr().err
    assert history.asked == {}
