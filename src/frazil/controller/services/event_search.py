"""What is asked of the history: the filters, and what they may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import sqlalchemy as sa

from frazil.controller.services import making
from frazil.controller.store import desktops, events
from frazil.model.errors import InvalidInput
from frazil.wire.rest import Outcome

LONGEST = 200
KIND_LONGEST = 64
_KIND = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """Which events are looked for; None is whatever it may be. Raises InvalidInput, with the field, for what can't be.

    user: who did it, by name or id; whoever is gone is found too. kind: this one; `session.` is all that begin so.
    desktop: its name or id, of one that is gone too. since, until: from then on; before then.
    text: is in what is told, in who did it or from where; its case does not matter.
    """

    user: str | None = None
    kind: str | None = None
    outcome: str | None = None
    desktop: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        for field in ("user", "desktop", "text"):
            _check_words(field, getattr(self, field))
        if self.kind is not None and (len(self.kind) > KIND_LONGEST or not _KIND.fullmatch(self.kind)):
            raise InvalidInput(
                f"{self.kind[:KIND_LONGEST]!r} can't be a kind of event.",
                remedy="A kind is like login or session.opened; session. with a dot at its end is all that begin so.",
                field="kind",
            )
        if self.outcome is not None and self.outcome not in get_args(Outcome):
            raise InvalidInput(
                f"{self.outcome[:LONGEST]!r} can't be an outcome.",
                remedy=f"It is one of {', '.join(get_args(Outcome))}.",
                field="outcome",
            )
        if self.since is not None and self.until is not None and self.until < self.since:
            raise InvalidInput("The search ends before it begins: until is earlier than since.", field="until")

    def wanted(self, tx: sa.Connection) -> events.Wanted:
        return events.Wanted(
            user=self.user,
            kind=self.kind,
            outcome=self.outcome,
            desktop_ids=None if self.desktop is None else _known_as(tx, self.desktop),
            since=self.since,
            until=self.until,
            text=self.text,
        )


def _check_words(field: str, words: str | None) -> None:
    if words is None:
        return
    if not words.strip():
        raise InvalidInput(f"{field} is empty.", remedy="Leave it out to search without it.", field=field)
    if len(words) > LONGEST:
        raise InvalidInput(f"{field} is longer than {LONGEST} characters.", field=field)
    if "\0" in words:  # PostgreSQL keeps no such text
        raise InvalidInput(f"{field} has a NUL character in it.", field=field)


def _known_as(tx: sa.Connection, ref: str) -> set[str]:
    """The ids of desktops that have or had this name, or this id. A name comes again when its pool is made again."""
    there = desktops.find(tx, ref)
    if there is not None and there.id == ref:
        return {ref}
    gone = events.desktops_told_of(tx, kind=making.CREATED, text=making.asked_for(ref))
    return {ref, *gone} if there is None else {there.id, *gone}


EVERYTHING = EventSearch()
