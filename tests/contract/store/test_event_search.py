"""What happened is looked for in the same way on each database, and pages hold together with what is looked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from frazil.controller.store import Store, events
from frazil.controller.store.events import Wanted
from frazil.controller.store.rows import EventRow

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# (kind, outcome, who, of which desktop, from where, what is told), a minute apart
HISTORY = (
    ("login", "done", "anna", None, "192.0.2.7", "anna signed in."),
    ("login.refused", "refused", "Ünnep", None, "2001:db8::7", "The name or the password was wrong."),
    ("session.opened", "done", "anna", "d1", "192.0.2.7", "anna was given the desktop office-1."),
    ("session.ended", "seen", None, "d1", None, "The session ended. IT WAS IDLE."),
    ("sessions", "seen", None, None, None, "No kind of ours, it only begins as one."),
    ("session_x", "seen", None, None, None, "100% of a_b, and a\\b"),
    ("user.created", "done", "boss", None, "192.0.2.1", "The user Árvíztűrő was added."),
    ("user.deleted", "failed", "boss", None, "192.0.2.1", "ÁRVÍZTŰRŐ TÜKÖRFÚRÓGÉP, ОБЪЕКТ"),
)


@pytest.fixture(autouse=True)
def _history(store: Store) -> None:
    def fill(tx: sa.Connection) -> None:
        for n, (kind, outcome, who, desktop_id, address, text) in enumerate(HISTORY):
            events.insert(
                tx,
                id=f"e{n}",
                at=NOW + n * MINUTE,
                kind=kind,
                text=text,
                outcome=outcome,
                user_id=f"id-{who}" if who else None,
                user_name=who,
                desktop_id=desktop_id,
                remote_address=address,
            )

    store.write_now(fill)


def _found(store: Store, **wanted: Any) -> list[int]:
    """Which of the history fit, newest first; read whole, and in pages of each size, which must say the same."""
    rows = store.read_now(lambda tx: events.newest_first(tx, Wanted(**wanted), limit=99))
    for limit in (1, 2, 3):
        paged, before = [], None
        while True:
            page = store.read_now(
                lambda tx, before=before, limit=limit: events.newest_first(  # type: ignore[misc]
                    tx, Wanted(**wanted), before=before, limit=limit
                )
            )
            paged += page
            if len(page) < limit:
                break
            before = page[-1].seq
        assert paged == rows
    return [int(row.id[1:]) for row in rows]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1, 0]),
        ({"user": "anna"}, [2, 0]),
        ({"user": "id-anna"}, [2, 0]),
        ({"user": "ann"}, []),
        ({"user": "Ünnep"}, [1]),
        ({"kind": "login"}, [0]),
        ({"kind": "login."}, [1, 0]),
        ({"kind": "session."}, [3, 2]),
        ({"kind": "session_"}, []),
        ({"kind": "session_x"}, [5]),
        ({"outcome": "seen"}, [5, 4, 3]),
        ({"desktop_ids": {"d1"}}, [3, 2]),
        ({"desktop_ids": {"d1", "d2"}, "outcome": "done"}, [2]),
        ({"desktop_ids": ()}, []),
        ({"since": NOW + 6 * MINUTE}, [7, 6]),
        ({"until": NOW + MINUTE}, [0]),
        ({"since": NOW + MINUTE, "until": NOW + 3 * MINUTE}, [2, 1]),
        ({"since": NOW, "until": NOW}, []),
        ({"user": "boss", "kind": "user.", "outcome": "done", "text": "added"}, [6]),
    ],
)
def test_what_fits_all_that_is_said_is_found(store: Store, wanted: dict[str, Any], found: list[int]) -> None:
    assert _found(store, **wanted) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SIGNED", [0]),
        ("it was idle", [3]),
        ("árvíztűrő", [7, 6]),
        ("ÁRVÍZTŰRŐ", [7, 6]),
        ("arvizturo", []),
        ("ünnEP", [1]),
        ("объект", [7]),
        ("192.0.2.7", [2, 0]),
        ("2001:DB8", [1]),
        ("ANNA", [2, 0]),
        ("%", [5]),
        ("0% OF", [5]),
        ("a_B", [5]),
        ("a%b", []),
        ("r_", []),
        ("A\\B", [5]),
        ("/", []),
        ("'; drop table events; --", []),
        ("ő%", []),
        ("ö_", []),
    ],
)
def test_a_text_is_found_whatever_its_case_and_wildcards_are_themselves(
    store: Store, text: str, found: list[int]
) -> None:
    assert _found(store, text=text) == found


def test_what_comes_meanwhile_moves_no_page(store: Store) -> None:
    def page(before: int | None) -> list[EventRow]:
        return store.read_now(lambda tx: events.newest_first(tx, Wanted(user="boss"), before=before, limit=1))

    first = page(None)
    store.write_now(lambda tx: events.insert(tx, id="e9", at=NOW, kind="k", text="", outcome="done", user_name="boss"))
    assert [row.id for row in first] == ["e7"]
    assert [row.id for row in page(first[-1].seq)] == ["e6"]
    assert [row.id for row in page(None)] == ["e9"]


def test_desktops_are_known_by_what_was_told_of_them(store: Store) -> None:
    def fill(tx: sa.Connection) -> None:
        for n, (kind, desktop_id) in enumerate(
            (("made", "d1"), ("made", "d1"), ("made", "d2"), ("lost", "d3"), ("made", None))
        ):
            events.insert(tx, id=f"f{n}", at=NOW, kind=kind, text="It is x.", outcome="done", desktop_id=desktop_id)

    store.write_now(fill)
    told = store.read_now(lambda tx: events.desktops_told_of(tx, kind="made", text="It is x."))
    assert sorted(told) == ["d1", "d2"]
    said = store.read_now(lambda tx: events.told_of_desktops(tx, {"d1", "d3", "d4"}, kind="made"))
    assert said == {"d1": "It is x."}
