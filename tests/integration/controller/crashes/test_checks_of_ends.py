"""More checks that are proved so: of what is lost, unknown, or never ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from frazil.controller import hostreports
from frazil.controller.planning import Place, StartAgain
from frazil.controller.reconcile import carry_out, loop, snapshot
from frazil.controller.store import desktops, hosts
from frazil.controller.store.engine import Engines
from frazil.controller.store.tables import desktops as desktop_table
from frazil.model.desktop import Power
from frazil.wire.hostlink import Desired
from tests.harness.simulation.backups import with_wire
from tests.harness.simulation.crashes import MortalStore
from tests.integration.controller.crashes.machine import Finds

pytestmark = [pytest.mark.timeout(600), pytest.mark.soak]


def test_what_is_unknown_is_not_placed_anew(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is lost is read as one that has nothing, and a placement gets no epoch of its own."""
    read = snapshot.read

    def read_wrongly(tx: sa.Connection, **known: Any) -> snapshot.Snapshot:
        seen = read(tx, **known)
        nowhere = tuple(
            replace(one, host_id=None, seen=None, wanted=replace(one.wanted, placed=False, since=seen.facts.now))
            if one.on_lost_host(seen.facts.hosts) and one.wanted.power is not Power.ABSENT
            else one
            for one in seen.facts.desktops
        )
        return replace(seen, facts=replace(seen.facts, desktops=nowhere))

    def place(tx: sa.Connection, desktop_id: str, *, host_id: str) -> bool:
        tx.execute(desktop_table.update().where(desktop_table.c.id == desktop_id).values(host_id=host_id))
        return True

    monkeypatch.setattr(snapshot, "read", read_wrongly)
    monkeypatch.setattr(desktops, "place", place)
    finds("on two hosts with the same epoch", "open afflict")


def test_what_no_database_knows_is_left_alone(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that tidies up has strays destroyed."""
    desired = hostreports.desired

    def tidy(tx: sa.Connection, host_ids: Sequence[str], *, leader_epoch: int) -> list[Desired]:
        told = desired(tx, host_ids, leader_epoch=leader_epoch)
        some = next((spec for one in told for spec in one.desktops), None)
        ids = {
            host_id: [row.desktop_id for row in hosts.strays_listed(tx) if row.host_id == host_id]
            for host_id in host_ids
        }
        for one, host_id in zip(told, host_ids, strict=True):
            if some is not None:
                one.desktops.extend(
                    some.model_copy(update={"desktop_id": id, "attempt": 9, "power": Power.ABSENT})
                    for id in ids[host_id]
                )
        return told

    monkeypatch.setattr(hostreports, "desired", tidy)
    finds("which no database ever knew", "stray open")


def test_what_was_answered_was_committed(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not write through loses its last commits with the process."""
    init, write_now = MortalStore.__init__, MortalStore.write_now
    kept: list[sqlite3.Connection] = []
    used: list[Engines] = []
    of: list[object] = []

    def begin_again(store: MortalStore, engines: Engines, *args: Any, committed: Any) -> None:
        if kept and of == [committed]:
            with_wire(engines, kept[0].backup)
        kept.clear()
        used[:], of[:] = [engines], [committed]
        init(store, engines, *args, committed=committed)

    def remember(store: MortalStore, *args: Any, **named: Any) -> Any:
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        with_wire(used[0], lambda wire: wire.backup(copy))
        kept[:] = [*kept[-19:], copy]
        return write_now(store, *args, **named)

    monkeypatch.setattr(MortalStore, "__init__", begin_again)
    monkeypatch.setattr(MortalStore, "write_now", remember)
    finds("was answered, and was never there|fell back|is forgotten, though", "open leave")


def _without(kind: type[object]) -> Callable[..., None]:
    """The executor, which forgets one kind of action."""

    def some(ctx: Any, actions: Sequence[Any], presence: Any, tx: sa.Connection) -> None:
        carry_out.carry_out(ctx, [action for action in actions if not isinstance(action, kind)], presence, tx)

    return some


@pytest.mark.parametrize("forgotten", [Place, StartAgain])
def test_everything_ends(finds: Finds, monkeypatch: pytest.MonkeyPatch, forgotten: type[object]) -> None:
    monkeypatch.setattr(loop, "carry_out", _without(forgotten))
    finds("is (waiting|starting)|no-end", "open afflict edit")


def test_lost_words_are_said_again(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that does not tell a host what is wanted when it comes back."""
    monkeypatch.setattr(loop.Reconciler, "_changed", lambda *_: [])
    finds("has not ended after all deadlines", "open leave afflict")
