"""The checks are proved: with what they guard switched off, the machine finds that it is."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from frazil.controller.planning import PoolFacts, spares
from frazil.controller.services import making, quotas, release, sessions
from frazil.controller.store import desktops
from frazil.controller.store import sessions as session_rows
from frazil.controller.store.tables import desktops as desktop_table
from tests.integration.controller.crashes.machine import Finds

pytestmark = [pytest.mark.timeout(600), pytest.mark.soak]


def _but(module: ModuleType, **changed: object) -> SimpleNamespace:
    """A module as it is, but for this."""
    return SimpleNamespace(**{**vars(module), **changed})


def _nothing(*_: object, **__: object) -> None:
    """In place of a check."""


def test_quotas_of_people(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "check", _nothing)
    finds("use [0-9]+ (desktops|sessions|vcpus) of", "open quota")


def test_most_sessions_of_a_pool(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "check_pool", _nothing)
    finds("the pool [a-z]+ has [0-9]+ sessions of", "open edit")


def test_most_desktops_of_a_pool(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    need = spares.need

    def more(pool: PoolFacts, *args: Any, **named: Any) -> spares.Need:
        return need(replace(pool, max_desktops=1000), *args, **named)

    monkeypatch.setattr(spares, "need", more)
    monkeypatch.setattr(making, "room", lambda *_: 1000)
    finds("the pool [a-z]+ has [0-9]+ desktops of", "open edit")


def test_one_session_of_a_person_in_a_pool(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_ones(tx: sa.Connection, **which: Any) -> list[Any]:
        return [] if which.keys() == {"user_id", "pool_id"} else session_rows.open_ones(tx, **which)

    monkeypatch.setattr(sessions, "sessions", _but(session_rows, open_ones=open_ones))
    finds("has [0-9]+ sessions open in the pool", "open leave")


def test_one_owner_of_a_desktop(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    def assign(tx: sa.Connection, desktop_id: str, *, user_id: str) -> bool:
        tx.execute(desktop_table.update().where(desktop_table.c.id == desktop_id).values(assigned_user_id=user_id))
        return True

    monkeypatch.setattr(desktops, "assign", assign)
    monkeypatch.setattr(desktops, "_FREE", (desktop_table.c.power.in_(["running", "paused"]),))
    finds("has two sessions open|is on [a-z]+-[0-9]+, which is", "open leave")


def test_nobody_gets_what_another_person_used(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_back(tx: sa.Connection, desktop_id: str, **_: object) -> bool:
        tx.execute(desktop_table.update().where(desktop_table.c.id == desktop_id).values(assigned_user_id=None))
        return True

    monkeypatch.setattr(release, "desktops", _but(desktops, want_absent=give_back))
    finds("on one and the same", "open leave")


def test_spares_converge(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    need = spares.need

    def lazy(*args: Any, **named: Any) -> spares.Need:
        return replace(need(*args, **named), surplus=())

    monkeypatch.setattr(spares, "need", lazy)
    finds("[0-9]+ spares of", "open edit")
