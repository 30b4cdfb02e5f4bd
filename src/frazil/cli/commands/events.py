"""`frazil events`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from frazil.cli import output
from frazil.cli.connection import connect
from frazil.cli.moments import moment
from frazil.cli.options import Json
from frazil.model.errors import InvalidInput
from frazil.runtime import SystemClock
from frazil.wire import event_csv
from frazil.wire.rest import Event, Outcome

SHOWN = 50
A_PAGE = 500
WIDE = 140
"""Columns of a terminal that hold all six of the table."""


def events(
    user: Annotated[str | None, typer.Option("--user", help="Who did it: a name or an id.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help='Of this kind; "session." is all that begin so.')] = None,
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="How it ended.")] = None,
    desktop: Annotated[
        str | None, typer.Option("--desktop", help="Of this desktop; one that is gone is known too.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="WHEN", help="From then on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Up to then; a day is whole.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Has this in it, in small or capital letters.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, metavar="N", help=f"The newest N; else {SHOWN} in a table, and all with --csv or --json."
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV, for spreadsheets, with a header.")] = False,
    as_json: Json = False,
) -> None:
    """What happened, newest first: who did what, from where, and how it ended.

    All that is asked for has to fit. WHEN is a date, a date with a time, or an age (2030-01-31, 2030-01-31T08:30,
    30m, 2h, 7d); times are UTC.

    \b
    Examples:
      frazil events --since 2h
      frazil events --user anna --kind session.
      frazil events --outcome refused --since 2030-01-01 --until 2030-01-31
      frazil events --since 30d --csv > events.csv
    """
    if as_csv and as_json:
        raise InvalidInput("--csv and --json both want the standard output.", remedy="Give one of them.")
    now = SystemClock().now()
    first, last = moment(since, now=now, field="since"), moment(until, now=now, field="until", end=True)
    wanted = limit if limit is not None or as_csv or as_json else SHOWN
    with connect() as client:
        found = client.events(
            user=user,
            kind=kind,
            outcome=outcome,
            desktop=desktop,
            since=first,
            until=last,
            text=text,
            page_size=A_PAGE if wanted is None else min(A_PAGE, wanted + 1),
        )
        if as_csv:
            _write_csv(itertools.islice(found, wanted))
            return
        shown = list(itertools.islice(found, wanted))
        more = limit is None and not as_json and next(found, None) is not None
    output.answer(shown, as_json=as_json, people=lambda: _table(shown, more=more))


def _write_csv(found: Iterator[Event]) -> None:
    """Bit by bit: there may be more than fits into memory."""
    sys.stdout.write(event_csv.header())
    for event in found:
        sys.stdout.write(event_csv.lines([event]))


def _table(shown: list[Event], *, more: bool) -> None:
    columns: tuple[str, ...]
    if output.console().width < WIDE:
        columns, cells = ("WHEN, OUTCOME", "WHO, FROM", "WHAT, KIND"), _stacked
    else:
        columns, cells = ("WHEN", "OUTCOME", "WHO", "FROM", "KIND", "WHAT"), _cells
    rows = [cells(event) for event in shown]
    output.table(columns, rows, empty="Nothing that fits has happened.")
    if more:
        output.say(f"The newest {len(shown)} are shown; --limit shows more, --until older ones.")


def _cells(event: Event) -> tuple[str, ...]:
    who, where = event.user_name or "–", event.remote_address or "–"
    return output.when(event.at), event.outcome, who, where, event.kind, event.text


def _stacked(event: Event) -> tuple[str, ...]:
    """Two lines an event, where six columns would be too narrow to be read."""
    when, outcome, who, where, kind, what = _cells(event)
    return f"{when}\n{outcome}", who if where == "–" else f"{who}\n{where}", f"{what}\n{kind}"
