"""A host that is forgotten, on each database: all that hangs on it goes, and nothing is placed on it in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from frazil.controller.planning.placement import Chosen
from frazil.controller.planning.scores import Score
from frazil.controller.store import Store, desktops, hosts, placements
from frazil.controller.store import tables as t
from frazil.model.desktop import Epoch, Power
from frazil.wire.hostlink import Capabilities, Stray
from tests.contract.store.test_recycling import _fill

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
DEADLINE_S = 30
CHOSEN = Chosen("h1", able=1, of_hosts=1, score=Score(0, 0, 0, 0, has_template=None, left_mib=1, busy=0.0, together=0))


def _two_hosts(tx: sa.Connection) -> None:
    _fill(tx)
    capabilities = Capabilities(kvm=True, spice=True, vcpus=8, memory_mib=16384, qemu="7.2.0", libvirt="9.0.0")
    for id in ("h1", "h2"):
        hosts.hello(tx, id=id, name=f"host-{id}", version="1", capabilities=capabilities, now=NOW)
    for id in ("d0", "d1"):
        desktops.place(tx, id, host_id="h1")
        placements.keep(tx, {id: CHOSEN}, now=NOW)
    hosts.set_strays(tx, "h1", [Stray(kind="disk", name="x", desktop_id="x")])
    hosts.set_strays(tx, "h2", [Stray(kind="disk", name="x", desktop_id="x")])


@pytest.fixture
def filled(store: Store) -> Store:
    store.write_now(_two_hosts)
    return store


def _forget(tx: sa.Connection) -> None:
    assert hosts.hold(tx, "h1")
    desktops.place_anew(tx, "d0", now=NOW)
    desktops.forget(tx, ["d1"])
    hosts.forget(tx, "h1")


def test_all_that_hangs_on_it_goes_and_no_more(filled: Store) -> None:
    filled.write_now(_forget)

    def left(tx: sa.Connection) -> tuple[object, ...]:
        disks = dict(tx.execute(sa.select(t.disks.c.desktop_id, t.disks.c.host_id)).all())
        return (
            hosts.find(tx, "h1"),
            hosts.unknown(tx, ["h1", "h2"]),
            [stray.host_id for stray in hosts.strays_listed(tx)],
            placements.find(tx, "d0"),
            desktops.find(tx, "d1"),
            disks["d0"],
            "d1" in disks,
        )

    assert filled.read_now(left) == (None, frozenset({"h1"}), ["h2"], None, None, None, False)
    again = filled.read_now(lambda tx: desktops.find(tx, "d0"))
    assert again is not None
    assert (again.host_id, again.attempt, again.power) == (None, 2, Power.RUNNING)
    assert filled.write_now(lambda tx: desktops.place(tx, "d0", host_id="h2"))
    placed = filled.read_now(lambda tx: desktops.find(tx, "d0"))
    assert placed is not None
    assert placed.epoch == Epoch(1, 2), "a placement above that on the host that is gone"


def test_its_revision_is_of_the_desktops_there_and_whose_they_are(filled: Store) -> None:
    def revision() -> int:
        return filled.read_now(lambda tx: hosts.holdings(tx, ["h1"]))["h1"]

    seen = [revision(), revision()]
    assert seen[0] == seen[1]
    filled.write_now(lambda tx: desktops.keep(tx, "d0", until=NOW, whose="ann", failed=False, now=NOW))
    seen.append(revision())
    filled.write_now(lambda tx: desktops.unassign(tx, "d0"))
    seen.append(revision())
    filled.write_now(lambda tx: desktops.place(tx, "d2", host_id="h1"))
    seen.append(revision())
    assert len(set(seen)) == 4
    assert filled.read_now(lambda tx: hosts.holdings(tx, [])) == {}


def test_who_would_place_something_there_waits_and_does_not(filled: Store) -> None:
    begun, gone = threading.Event(), threading.Event()

    def place(tx: sa.Connection) -> bool:
        return "h1" in hosts.still_there(tx, ["h1"]) and desktops.place(tx, "d2", host_id="h1")

    def forget(tx: sa.Connection) -> None:
        _forget(tx)
        begun.set()
        assert gone.wait(DEADLINE_S)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(filled.write_now, forget)
        assert begun.wait(DEADLINE_S)
        second = threads.submit(filled.write_now, place)
        gone.set()
        first.result(DEADLINE_S)
        assert second.result(DEADLINE_S) is False
    row = filled.read_now(lambda tx: desktops.find(tx, "d2"))
    assert row is not None
    assert row.host_id is None


def test_one_that_is_taken_back_is_on_its_host_at_once(filled: Store) -> None:
    epoch = Epoch(3, 7)

    def work(tx: sa.Connection) -> None:
        desktops.take_back(tx, "d3", host_id="h2", epoch=epoch, attempt=4, power=Power.STOPPED)
        hosts.no_stray(tx, "h2", desktop_id="x")

    filled.write_now(work)
    row = filled.read_now(lambda tx: desktops.find(tx, "d3"))
    assert row is not None
    assert (row.host_id, row.epoch, row.attempt, row.power) == ("h2", epoch, 4, Power.STOPPED)
    assert [stray.host_id for stray in filled.read_now(hosts.strays_listed)] == ["h1"]
    assert not filled.write_now(lambda tx: desktops.place(tx, "d3", host_id="h1")), "it is placed"


def test_one_that_dials_several_controllers_at_once_is_one_host(filled: Store) -> None:
    filled.write_now(_forget)
    start = threading.Barrier(4)

    def hello(tx: sa.Connection) -> range:
        capabilities = Capabilities(kvm=True, spice=True, vcpus=8, memory_mib=16384, qemu="7.2.0", libvirt="9.0.0")
        return hosts.hello(tx, id="h1", name="host-h1", version="1", capabilities=capabilities, now=NOW)

    def dial() -> range:
        start.wait(DEADLINE_S)
        return filled.write_now(hello)

    with ThreadPoolExecutor(4) as threads:
        taken = [dialled.result(DEADLINE_S) for dialled in [threads.submit(dial) for _ in range(4)]]
    assert len({number for block in taken for number in block}) == 4 * hosts.GENERATIONS, "no number twice"
    assert [row.id for row in filled.read_now(hosts.listed)] == ["h1", "h2"]
