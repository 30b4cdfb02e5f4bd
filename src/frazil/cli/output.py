"""What commands write: tables for people, JSON for programs; only the answer on the standard output."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 240
"""Columns are not broken when a program or a file takes the table."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All but the new line; the last ones turn the direction of what follows."""


def answer(
    value: BaseModel | Sequence[BaseModel] | dict[str, object], *, as_json: bool, people: Callable[[], None]
) -> None:
    """Write `value` as JSON, or let `people` write it for people."""
    if not as_json:
        people()
        return
    plain: object
    if isinstance(value, BaseModel):
        plain = value.model_dump(mode="json")
    elif isinstance(value, dict):
        plain = value
    else:
        plain = [item.model_dump(mode="json") for item in value]
    sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Write rows under headings; `empty` in their place when there are none."""
    if not rows:
        say(empty)
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*map(plain, row))
    console().print(shown)


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Write one thing: a name and a value a line; empty values are left out."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in rows:
        if value:
            shown.add_row(name, plain(value))
    console().print(shown)


def plain(text: str) -> Text:
    """What others typed, as it is: not as markup, and with nothing in it that a terminal would obey."""
    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))


def raw(text: str) -> None:
    """Others' text as it is, to a file or a program; on a terminal without what it would obey."""
    sys.stdout.write(plain(text.expandtabs()).plain if sys.stdout.isatty() else text)


def say(text: str) -> None:
    """Tell a person something on the standard error; nobody hears it where the terminal has hung up."""
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def when(moment: datetime | None) -> str:
    """A time for people: UTC to the second; a dash when there is none."""
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else "–"


def size(n_bytes: int | None) -> str:
    """A size for people."""
    if n_bytes is None:
        return "–"
    return f"{n_bytes / (1 << 30):.1f} GiB" if n_bytes >= 1 << 30 else f"{n_bytes / (1 << 20):.0f} MiB"


def duration(seconds: float) -> str:
    """A duration for people: "40 s", "3 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


class Bar:
    """One progress bar; silent where nobody looks."""

    def __init__(self, progress: Progress | None, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=1.0, left="") if progress else None

    @property
    def silent(self) -> bool:
        """Whether nothing is drawn."""
        return self._progress is None

    def tell(self, *, step: str, fraction: float | None, left_s: float | None) -> None:
        """What is done now, how much of it, and how long it will still take; None where that is not known."""
        if self._progress is None or self._task is None:
            return
        left = f"about {duration(left_s)} left" if left_s is not None else ""
        self._progress.update(self._task, completed=fraction, total=1.0 if fraction is not None else None, left=left)
        if step:
            self._progress.update(self._task, description=step)


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Bar]:
    """A progress bar on the standard error while the block runs, when that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield Bar(None, title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield Bar(shown, title)


def console() -> Console:
    """The standard output for people. NO_COLOR is honoured by rich itself."""
    # a console of its own each time: tests and pipes change what sys.stdout is
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
