"""The decision function, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from frazil.controller.planning import (
    Announce,
    CatchUp,
    DesktopFacts,
    EndKept,
    EndOperation,
    Fail,
    HostFacts,
    MakeSpare,
    OperationFacts,
    Pause,
    Place,
    RemoveDesktop,
    RemoveImage,
    RemovePool,
    StartAgain,
    WantAbsent,
    plan,
)
from frazil.model.desktop import Epoch, Failure, Guest, Phase, Power, State
from frazil.model.room import Cost, Room
from frazil.server.desktops.steps import DISK_FULL
from tests.unit.controller.planning.build import BROKEN, NOW, ago, desktop, facts, host, image, pool

STARTING = (State.RUNNING, Guest.AGENT)


@pytest.mark.parametrize("power", list(Power))
@pytest.mark.parametrize("failure", [None, BROKEN])
def test_what_its_host_knows_better_than_an_old_backup_is_caught_up_with_first(
    power: Power, failure: Failure | None
) -> None:
    old = desktop(power=power, attempt=2, seen_attempt=3, failure=failure, kept_until=ago(1), assigned=True)
    assert plan(facts(desktops=(old,))).actions[0] == CatchUp("d1")
    assert {type(action) for action in plan(facts(desktops=(old,))).actions} <= {CatchUp, MakeSpare}
    assert old.seen is not None
    newer_epoch = replace(old, seen=replace(old.seen, epoch=Epoch(1, 2), attempt=1))
    assert plan(facts(desktops=(newer_epoch,))).actions[0] == CatchUp("d1")
    older = desktop(power=power, attempt=4, seen_attempt=3, assigned=True)
    assert CatchUp("d1") not in plan(facts(desktops=(older,))).actions


def test_spares_on_a_host_that_is_lost_are_made_elsewhere_and_go_when_it_is_back() -> None:
    there, other = desktop("d1", host_id="h2"), host("h1")
    silent = host("h2", up=False, silent=True)
    unknown = replace(there, announced=Phase.UNKNOWN)
    assert plan(facts(hosts={"h1": other, "h2": silent}, desktops=(unknown,))).actions == (), "it may be back at once"
    lost = replace(silent, lost=True)
    assert plan(facts(hosts={"h1": other, "h2": lost}, desktops=(unknown,))).actions == (MakeSpare("p1", "h1"),)
    assert plan(facts(hosts={"h2": lost}, desktops=(unknown,))).actions == (), "nowhere else"
    theirs = replace(unknown, assigned=True, in_use=True)
    made = desktop("d2", created_at=NOW + timedelta(seconds=1))
    assert plan(facts(hosts={"h1": other, "h2": lost}, desktops=(theirs, made))).actions == (), (
        "somebody's is never given up"
    )
    both = facts(hosts={"h1": other, "h2": host("h2")}, desktops=(replace(there, announced=Phase.READY), made))
    assert plan(both).actions == (WantAbsent("d2", "It is a spare that the pool no longer needs.", spare=True),)


def test_an_empty_pool_gets_its_spares_and_a_full_one_none() -> None:
    assert plan(facts(pools=(pool(spares=3),))).actions == (MakeSpare("p1", "h1"),) * 3
    assert plan(facts(desktops=(desktop(),))).actions == ()
    assert plan(facts(pools=(pool(spares=3, max_desktops=2),))).actions == (MakeSpare("p1", "h1"),) * 2


def test_a_full_pool_says_so() -> None:
    decided = plan(facts(pools=(pool(max_desktops=1),), desktops=(desktop(assigned=True),)))
    assert decided.actions == ()
    assert "all of its 1 desktops" in decided.notes["p1"]


@pytest.mark.parametrize(
    "spare",
    [
        desktop(seen=STARTING, since=NOW),
        desktop(seen=None),
        desktop(host_id=None),
        desktop(),
    ],
    ids=["starting", "not seen yet", "waiting", "ready"],
)
def test_what_is_on_its_way_counts_as_a_spare(spare: object) -> None:
    made = [action for action in plan(facts(desktops=(spare,))).actions if isinstance(action, MakeSpare)]
    assert made == []


@pytest.mark.parametrize(
    "other",
    [
        desktop(assigned=True),
        desktop(power=Power.ABSENT, seen_attempt=0),
        desktop(power=Power.STOPPED, seen=(State.STOPPED, Guest.SILENT)),
        desktop(pool_id="p2"),
    ],
    ids=["assigned", "being deleted", "stopped", "another pool's"],
)
def test_what_can_not_be_given_away_is_no_spare(other: object) -> None:
    made = [action for action in plan(facts(desktops=(other,))).actions if isinstance(action, MakeSpare)]
    assert made == [MakeSpare("p1", "h1")]


def test_failed_spares_are_replaced_with_growing_waits_and_then_no_more() -> None:
    one = desktop("d1", failure=BROKEN, failed_at=ago(9), created_at=ago(60))
    decided = plan(facts(desktops=(one,)))
    assert decided.actions == ()
    assert decided.notes["p1"] == "A spare desktop failed; the next one is made in 1 s."
    assert decided.due_in_s == pytest.approx(1.0)
    one = desktop("d1", failure=BROKEN, failed_at=ago(10), created_at=ago(60))
    assert plan(facts(desktops=(one,))).actions == (MakeSpare("p1", "h1"),)
    two = desktop("d2", failure=BROKEN, failed_at=ago(19), created_at=ago(30))
    assert plan(facts(desktops=(one, two))).actions == ()
    three = desktop("d3", failure=BROKEN, failed_at=ago(1000), created_at=ago(20))
    decided = plan(facts(desktops=(one, two, three)))
    assert decided.actions == ()
    assert "newest 3 spare desktops failed" in decided.notes["p1"]
    assert "name-d3, said: The disk is broken." in decided.notes["p1"]
    assert decided.due_in_s is None


def test_one_that_became_ready_ends_a_row_of_failures() -> None:
    failed = tuple(desktop(f"d{n}", failure=BROKEN, failed_at=ago(500), created_at=ago(600 - n)) for n in range(3))
    given = desktop("d9", assigned=True, created_at=ago(10))
    assert plan(facts(desktops=(*failed, given))).actions == (MakeSpare("p1", "h1"),)


@pytest.mark.parametrize("assigned", [True, False])
def test_one_that_is_paused_ends_a_row_of_failures_too(assigned: bool) -> None:
    failed = tuple(desktop(f"d{n}", failure=BROKEN, failed_at=ago(500), created_at=ago(600 - n)) for n in range(3))
    paused = desktop("d9", power=Power.PAUSED, seen=(State.PAUSED, Guest.SILENT), assigned=assigned, created_at=ago(10))
    decided = plan(facts(pools=(pool(spares=2),), desktops=(*failed, paused)))
    assert MakeSpare("p1", "h1") in decided.actions
    assert not decided.notes


def test_what_failed_before_a_desktop_that_is_gone_since_became_ready_does_not_count() -> None:
    failed = tuple(desktop(f"d{n}", failure=BROKEN, failed_at=ago(500), created_at=ago(600 - n)) for n in range(3))
    assert plan(facts(pools=(pool(last_start_at=ago(400)),), desktops=failed)).actions == (MakeSpare("p1", "h1"),)
    assert plan(facts(pools=(pool(last_start_at=ago(501)),), desktops=failed)).actions == ()
    set_back = pool(changed_at=ago(-100), last_start_at=ago(-50))
    assert plan(facts(pools=(set_back,), desktops=failed)).actions == (), "else it would be tried without end"


def test_a_changed_pool_forgets_its_failures() -> None:
    failed = tuple(desktop(f"d{n}", failure=BROKEN, failed_at=ago(500), created_at=ago(600 - n)) for n in range(3))
    assert plan(facts(pools=(pool(changed_at=ago(100)),), desktops=failed)).actions == (MakeSpare("p1", "h1"),)


def test_old_failed_spares_are_removed_so_that_the_pool_does_not_fill() -> None:
    failed = tuple(desktop(f"d{n}", failure=BROKEN, failed_at=ago(500), created_at=ago(600 - n)) for n in range(7))
    gone = [action.desktop_id for action in plan(facts(desktops=failed)).actions if isinstance(action, WantAbsent)]
    assert gone == ["d1", "d0"]


def test_too_many_ready_spares_go_newest_first_and_assigned_ones_stay() -> None:
    ready = tuple(desktop(f"d{n}", created_at=ago(100 - n)) for n in range(3))
    given = desktop("d9", assigned=True, created_at=NOW)
    decided = plan(facts(desktops=(*ready, given)))
    assert [(action.desktop_id, action.spare) for action in decided.actions if isinstance(action, WantAbsent)] == [
        ("d2", True),
        ("d1", True),
    ]


def test_waiting_desktops_are_placed_where_most_memory_is_left() -> None:
    hosts = {
        "h1": host("h1", memory_available_mib=4000),
        "h2": host("h2", memory_available_mib=5000),
        "h3": host("h3", memory_available_mib=90000, up=False),
        "h4": host("h4", memory_available_mib=90000, images_ready=frozenset()),
        "h5": host("h5", memory_available_mib=None),
    }
    waiting = tuple(desktop(f"d{n}", host_id=None) for n in range(3))
    placed = [a for a in plan(facts(hosts=hosts, pools=(), desktops=waiting)).actions if isinstance(a, Place)]
    # What is promised to the first is no longer there for the next.
    assert [(a.desktop_id, a.host_id) for a in placed] == [("d0", "h2"), ("d1", "h1"), ("d2", "h2")]


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ({}, "No host has ever connected"),
        ({"h1": host(up=False)}, "No host is connected now"),
        ({"h1": host(silent=True)}, "No host is connected now"),
        ({"h1": host(images_ready=frozenset())}, "The image debian is not ready"),
        ({"h1": host(memory_available_mib=None)}, "have not said yet"),
        ({"h1": host(memory_available_mib=1000)}, "1280 MiB are needed, the roomiest has 1000 MiB"),
    ],
)
def test_what_can_not_be_placed_has_a_reason_and_no_spare_is_made_for_it(hosts: object, words: str) -> None:
    decided = plan(facts(hosts=hosts, desktops=(desktop(host_id=None, assigned=True),)))
    assert decided.actions == ()
    assert words in decided.waiting["d1"]
    assert words in decided.notes["p1"]


@pytest.mark.parametrize(
    ("late", "code"),
    [
        (desktop(seen=(State.RUNNING, Guest.SILENT), since=ago(61)), "guest-silent"),
        (desktop(seen=(State.RUNNING, Guest.AGENT), since=ago(61)), "guest-silent"),
        (desktop(seen=None, since=ago(61)), "not-started"),
        (desktop(seen=(State.STOPPED, Guest.SILENT), since=ago(361)), "not-started"),
        (desktop(host_id=None, since=ago(61)), "no-host"),
        (desktop(seen=(State.ABSENT, Guest.SILENT), seen_failure=BROKEN), "host-error"),
    ],
)
def test_what_is_overdue_or_reported_failed_fails_with_its_reason(late: object, code: str) -> None:
    decided = plan(facts(pools=(), desktops=(late,)))
    [failed] = [action for action in decided.actions if isinstance(action, Fail)]
    assert failed.failure.code == code
    assert failed.failure.text.endswith(".")
    assert not any(isinstance(action, Place) for action in decided.actions)


@pytest.mark.parametrize(
    "fine",
    [
        desktop(seen=STARTING, since=ago(59)),
        desktop(since=ago(10_000)),
        desktop(power=Power.STOPPED, seen=(State.RUNNING, Guest.READY), since=ago(10_000)),
        desktop(power=Power.ABSENT, seen=(State.RUNNING, Guest.READY), seen_failure=BROKEN, since=ago(10_000)),
        desktop(failure=BROKEN, since=ago(10_000)),
        desktop(seen=(State.RUNNING, Guest.AGENT), since=ago(10_000), announced=Phase.READY),
    ],
    ids=["in time", "ready", "stopping", "deleting", "failed already", "was ready: its clock begins again"],
)
def test_what_is_not_overdue_does_not_fail(fine: object) -> None:
    assert [a for a in plan(facts(pools=(), desktops=(fine,))).actions if isinstance(a, Fail)] == []


def test_a_full_disk_is_waited_for_and_no_deadline_runs_meanwhile() -> None:
    full = desktop(
        seen=(State.PAUSED, Guest.SILENT), seen_failure=DISK_FULL, since=ago(10_000), announced=Phase.STARTING
    )
    decided = plan(facts(pools=(), desktops=(full,)))
    assert (decided.actions, decided.due_in_s) == ((), None)
    gone = desktop(power=Power.PAUSED, seen=(State.ABSENT, Guest.SILENT), seen_failure=DISK_FULL)
    assert plan(facts(pools=(), desktops=(gone,))).actions == (StartAgain("d1"),)


def test_what_was_ready_and_is_on_its_way_again_gets_a_new_clock() -> None:
    [action] = plan(facts(pools=(), desktops=(desktop(seen=STARTING, since=ago(999), announced=Phase.READY),))).actions
    assert action == Announce("d1", Phase.READY, Phase.STARTING, None, True)


def test_an_older_attempt_says_nothing_about_this_one() -> None:
    old = desktop(attempt=2, seen_attempt=1, seen=(State.ABSENT, Guest.SILENT), seen_failure=BROKEN)
    assert [a for a in plan(facts(pools=(), desktops=(old,))).actions if isinstance(a, Fail)] == []
    gone = desktop(attempt=2, seen_attempt=1, power=Power.ABSENT, seen=(State.ABSENT, Guest.SILENT))
    assert plan(facts(pools=(), desktops=(gone,))).actions == ()


def test_a_silent_host_is_left_alone() -> None:
    hosts = {"h1": host(up=False, silent=True)}
    for one in (
        desktop(seen=STARTING, since=ago(10_000), announced=Phase.UNKNOWN),
        desktop(power=Power.ABSENT, seen=(State.ABSENT, Guest.SILENT), announced=Phase.UNKNOWN),
    ):
        assert plan(facts(hosts=hosts, pools=(), desktops=(one,))).actions == ()


def test_what_is_wanted_absent_and_seen_absent_is_forgotten() -> None:
    gone = desktop(power=Power.ABSENT, seen=(State.ABSENT, Guest.SILENT))
    assert plan(facts(pools=(), desktops=(gone,))).actions == (RemoveDesktop("d1"),)
    never_placed = desktop(power=Power.ABSENT, host_id=None)
    assert plan(facts(pools=(), desktops=(never_placed,))).actions == (RemoveDesktop("d1"),)
    still_there = desktop(power=Power.ABSENT, seen=(State.RUNNING, Guest.READY))
    assert plan(facts(pools=(), desktops=(still_there,))).actions == ()


def test_a_deleted_pool_loses_its_desktops_then_goes() -> None:
    deleting = pool(deleting=True, spares=3)
    decided = plan(facts(pools=(deleting,), desktops=(desktop("d1"), desktop("d2", assigned=True))))
    assert [a.desktop_id for a in decided.actions if isinstance(a, WantAbsent)] == ["d1", "d2"]
    assert not any(isinstance(action, MakeSpare) for action in decided.actions)
    assert plan(facts(pools=(deleting,))).actions == (RemovePool("p1"),)


def test_the_end_of_a_start_is_timed_once() -> None:
    began = desktop(since=ago(12), announced=Phase.STARTING)
    assert plan(facts(pools=(), desktops=(began,))).actions == (
        Announce("d1", Phase.STARTING, Phase.READY, 12.0, False),
    )
    again = desktop(since=ago(12), announced=Phase.STARTING, measured_attempt=1)
    assert plan(facts(pools=(), desktops=(again,))).actions == (Announce("d1", Phase.STARTING, Phase.READY),)
    back = desktop(since=ago(12), announced=Phase.UNKNOWN)
    assert plan(facts(pools=(), desktops=(back,))).actions == (Announce("d1", Phase.UNKNOWN, Phase.READY),)


def test_the_next_look_is_when_something_is_due() -> None:
    decided = plan(
        facts(pools=(), desktops=(desktop("d1", seen=STARTING, since=ago(50)), desktop("d2", seen=None, since=ago(20))))
    )
    assert decided.due_in_s == pytest.approx(10.0)
    assert plan(facts(desktops=(desktop(),))).due_in_s is None


def test_an_image_goes_when_every_host_that_may_have_it_says_that_it_has_not() -> None:
    gone = image(wanted_absent=True, on_hosts={"h1": ("absent", None)})
    assert plan(facts(pools=(), images=(gone,))).actions == (RemoveImage("i1"),)
    for kept in (
        image(wanted_absent=True, on_hosts={}),
        image(wanted_absent=True, on_hosts={}, ever_on=frozenset()),
        image(wanted_absent=True, on_hosts={"h1": ("absent", None)}, ever_on=frozenset({"h1", "h2"})),
        image(wanted_absent=True, on_hosts={"h1": ("absent", None)}, used_by_desktops=1),
        image(on_hosts={"h1": ("absent", None)}),
    ):
        assert plan(facts(pools=(), images=(kept,))).actions == ()


@pytest.mark.parametrize(
    ("kind", "found", "ends"),
    [
        ("image.build", image(), EndOperation("o1", None)),
        ("image.build", image(on_hosts={"h1": ("making", None)}), None),
        ("image.build", image(on_hosts={}), None),
        ("image.build", image(on_hosts={"h1": ("failed", BROKEN)}), EndOperation("o1", BROKEN)),
        ("image.import", image(on_hosts={"h1": ("failed", BROKEN), "h2": ("making", None)}), None),
        ("image.delete", image(wanted_absent=True, on_hosts={}), None),
        ("image.delete", None, EndOperation("o1", None)),
        ("pool.delete", None, EndOperation("o1", None)),
    ],
)
def test_operations_end_with_what_they_are_about(kind: str, found: object, ends: object) -> None:
    operation = OperationFacts(id="o1", kind=kind, target_id="i1")
    images = () if found is None else (found,)
    decided = plan(facts(pools=(), images=images, operations=(operation,)))
    assert decided.actions == (() if ends is None else (ends,))


def test_the_deletion_of_a_pool_is_over_when_what_is_left_is_kept_and_has_failed_when_it_was_restored() -> None:
    operation = OperationFacts(id="o1", kind="pool.delete", target_id="p1")
    kept = desktop("d1", power=Power.STOPPED, seen=(State.STOPPED, Guest.SILENT), kept_until=LATER)
    gone = pool(deleting=True)
    ended = EndOperation("o1", None)
    assert plan(facts(pools=(gone,), desktops=(kept,), operations=(operation,))).actions == (ended,)
    decided = plan(facts(pools=(gone,), desktops=(kept, desktop("d2")), operations=(operation,))).actions
    assert ended not in decided
    assert [action for action in decided if isinstance(action, WantAbsent)] == [
        WantAbsent("d2", "Its pool is being deleted.")
    ]
    decided = plan(facts(pools=(pool(spares=0),), desktops=(kept,), operations=(operation,))).actions
    assert [action.failure.code for action in decided if isinstance(action, EndOperation) and action.failure] == [
        "restored"
    ]


LATER = NOW + timedelta(days=7)


@pytest.mark.parametrize(
    "kept",
    [
        desktop(power=Power.STOPPED, seen=(State.RUNNING, Guest.READY), assigned=True, kept_until=LATER),
        desktop(power=Power.STOPPED, seen=(State.STOPPED, Guest.SILENT), kept_until=LATER),
        desktop(power=Power.STOPPED, seen_failure=BROKEN, kept_until=LATER),
        desktop(power=Power.STOPPED, seen=None, since=ago(9999), kept_until=LATER),
    ],
    ids=["shutting down", "nobody's", "failed", "unseen"],
)
def test_what_was_deleted_and_is_kept_waits_for_its_time_and_is_no_spare(kept: DesktopFacts) -> None:
    decided = plan(facts(pools=(pool(spares=1, max_desktops=2),), desktops=(kept,)))
    assert decided.actions == (MakeSpare("p1", "h1"),)
    assert decided.due_in_s == timedelta(days=7).total_seconds()
    decided = plan(facts(pools=(pool(spares=1, max_desktops=1),), desktops=(kept,)))
    assert decided.actions == (), "its disk takes the place of a desktop"


@pytest.mark.parametrize("deleting", [False, True])
def test_what_was_kept_goes_when_its_time_is_over(deleting: bool) -> None:
    kept = desktop(power=Power.STOPPED, seen=(State.STOPPED, Guest.SILENT), assigned=True, kept_until=NOW)
    decided = plan(facts(pools=(pool(spares=0, deleting=deleting),), desktops=(kept,)))
    assert decided.actions == (EndKept("d1"),)


def test_a_build_whose_image_was_deleted_has_failed() -> None:
    operation = OperationFacts(id="o1", kind="image.build", target_id="i1")
    [ended] = plan(facts(pools=(), images=(), operations=(operation,))).actions
    assert isinstance(ended, EndOperation)
    assert isinstance(ended.failure, Failure)
    assert ended.failure.code == "deleted"


FIVE_MINUTES = timedelta(minutes=5)


def test_a_desktop_that_nobody_looks_at_is_paused_after_its_pools_time() -> None:
    p = pool(pause_after=FIVE_MINUTES)
    idle = desktop("d1", assigned=True, idle_since=ago(300))
    assert Pause("d1") in plan(facts(pools=(p,), desktops=(idle, desktop("d2")))).actions


def test_it_is_looked_at_again_when_the_pause_is_due() -> None:
    p = pool(pause_after=FIVE_MINUTES)
    decided = plan(facts(pools=(p,), desktops=(desktop("d1", idle_since=ago(200)),)))
    assert decided.actions == ()
    assert decided.due_in_s == 100.0


@pytest.mark.parametrize(
    "kept",
    [
        desktop("d1", assigned=True, idle_since=None),
        desktop("d1", idle_since=ago(9000), seen=(State.RUNNING, Guest.AGENT), announced=Phase.STARTING),
        desktop("d1", idle_since=ago(9000), power=Power.PAUSED, seen=(State.PAUSED, Guest.READY)),
    ],
    ids=["looked at", "on its way", "paused already"],
)
def test_what_is_used_or_on_its_way_or_paused_is_not_paused(kept: DesktopFacts) -> None:
    decided = plan(facts(pools=(pool(pause_after=FIVE_MINUTES),), desktops=(kept,)))
    assert not [action for action in decided.actions if isinstance(action, Pause)]


def test_a_pool_without_a_time_never_pauses() -> None:
    decided = plan(facts(pools=(pool(pause_after=None),), desktops=(desktop("d1", idle_since=ago(9000)),)))
    assert decided.actions == ()


def test_a_paused_spare_is_a_spare() -> None:
    paused = desktop("d1", power=Power.PAUSED, seen=(State.PAUSED, Guest.READY))
    assert plan(facts(pools=(pool(spares=1),), desktops=(paused,))).actions == ()


@pytest.mark.parametrize("state", [State.STOPPED, State.ABSENT])
def test_what_was_paused_and_is_gone_is_started_again_however_long_it_was_away(state: State) -> None:
    gone = desktop(power=Power.PAUSED, seen=(state, Guest.SILENT), since=ago(10_000), announced=Phase.STARTING)
    assert plan(facts(desktops=(gone,))).actions == (StartAgain("d1"),)


@pytest.mark.parametrize(
    "left",
    [
        desktop(power=Power.PAUSED, seen=(State.PAUSED, Guest.SILENT)),
        desktop(power=Power.PAUSED, seen=(State.UNKNOWN, Guest.SILENT)),
        desktop(power=Power.PAUSED, seen=(State.STOPPED, Guest.SILENT), seen_failure=BROKEN),
        desktop(power=Power.PAUSED, seen=(State.STOPPED, Guest.SILENT), failure=BROKEN),
        desktop(power=Power.STOPPED, seen=(State.STOPPED, Guest.SILENT)),
        desktop(power=Power.PAUSED, seen=(State.STOPPED, Guest.SILENT), attempt=2, seen_attempt=1),
    ],
    ids=["paused", "unknown", "its host says why", "failed", "wanted stopped", "an earlier attempt"],
)
def test_nothing_else_is_started_again(left: DesktopFacts) -> None:
    assert not [a for a in plan(facts(pools=(), desktops=(left,))).actions if isinstance(a, StartAgain)]


def test_what_is_on_a_silent_host_is_not_started_again() -> None:
    gone = desktop(power=Power.PAUSED, seen=(State.STOPPED, Guest.SILENT), announced=Phase.UNKNOWN)
    assert plan(facts(hosts={"h1": host(up=False, silent=True)}, pools=(), desktops=(gone,))).actions == ()


def test_a_desktop_in_its_hosts_queue_is_given_more_time_than_one_that_no_host_took() -> None:
    queued = desktop("d1", seen=(State.STOPPED, Guest.SILENT), since=ago(61), deadline_s=60, announced=Phase.STARTING)
    assert not [a for a in plan(facts(desktops=(queued,))).actions if isinstance(a, Fail)]
    started_late = desktop("d1", seen=STARTING, since=ago(90), started_at=ago(30), deadline_s=60)
    assert not [a for a in plan(facts(desktops=(started_late,))).actions if isinstance(a, Fail)]
    forgotten = desktop("d1", seen=None, since=ago(61), deadline_s=60, announced=Phase.STARTING)
    assert [a for a in plan(facts(desktops=(forgotten,))).actions if isinstance(a, Fail)]


FORKS = {"k": Cost(memory_mib=112, disk_mib=128)}


def _measured(id: str = "h1", *, memory_mib: int = 0, **changes: object) -> HostFacts:
    room = Room(memory_mib=memory_mib, disk_mib=10_000, desktops=50)
    return host(id, **{"room": room, "fork_costs": FORKS, **changes})


def _placed(hosts: dict[str, HostFacts], *desktops: DesktopFacts) -> list[tuple[str, str]]:
    decided = plan(facts(hosts=hosts, pools=(), desktops=desktops))
    return [(action.desktop_id, action.host_id) for action in decided.actions if isinstance(action, Place)]


def test_forks_are_placed_by_what_they_cost_and_what_boots_by_all_of_its_memory() -> None:
    forks = [replace(desktop(f"d{n}", host_id=None), fork_kind="k") for n in range(4)]
    hosts = {"h1": _measured(memory_mib=340)}
    assert _placed(hosts, *forks) == [("d0", "h1"), ("d1", "h1"), ("d2", "h1")]
    decided = plan(facts(hosts=hosts, pools=(), desktops=tuple(forks)))
    assert decided.waiting["d3"] == "No host has enough memory left: 112 MiB are needed, the roomiest has 4 MiB."
    assert _placed(hosts, desktop("d9", host_id=None)) == []
    assert _placed({"h1": _measured(memory_mib=1024 + 96)}, desktop("d9", host_id=None)) == [("d9", "h1")]
    # A kind that the host has no template of, and will boot there.
    assert _placed(hosts, replace(desktop("d9", host_id=None), fork_kind="other")) == []


def test_what_a_host_has_counted_is_not_counted_again() -> None:
    coming = replace(desktop("d1", seen=None), fork_kind="k")
    waiting = replace(desktop("d2", host_id=None), fork_kind="k")
    assert _placed({"h1": _measured(memory_mib=120)}, coming, waiting) == []
    counted = _measured(memory_mib=120, counted=frozenset({"d1"}))
    assert _placed({"h1": counted}, coming, waiting) == [("d2", "h1")]


def test_spares_are_made_as_long_as_they_fit() -> None:
    hosts = {"h1": _measured(memory_mib=300)}
    decided = plan(facts(hosts=hosts, pools=(pool(spares=5, fork_kind="k"),)))
    assert [type(action) for action in decided.actions] == [MakeSpare, MakeSpare]
    assert "112 MiB are needed" in decided.notes["p1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"room": Room(memory_mib=9000, disk_mib=100, desktops=9)}, "enough disk left: 128 MiB are needed"),
        ({"room": Room(memory_mib=9000, disk_mib=9000, desktops=0)}, "as many as its processors are reckoned to bear"),
        ({"room": Room(memory_mib=9, disk_mib=9000, desktops=9, memory_bound="limit")}, "set aside for desktops"),
        (
            {"room": Room(memory_mib=9000, disk_mib=9000, desktops=9, pressed=True), "pressure": "It is short."},
            "It is short.",
        ),
    ],
)
def test_what_bounds_is_said(changes: dict[str, object], words: str) -> None:
    waiting = replace(desktop("d1", host_id=None), fork_kind="k")
    decided = plan(facts(hosts={"h1": _measured("h1", memory_mib=0, **changes)}, pools=(), desktops=(waiting,)))
    assert decided.actions == ()
    assert words in decided.waiting["d1"]


def test_a_host_under_pressure_is_passed_over() -> None:
    pressed = Room(memory_mib=90_000, disk_mib=90_000, desktops=9, pressed=True)
    hosts = {"h1": _measured(memory_mib=0, room=pressed), "h2": _measured("h2", memory_mib=200)}
    assert _placed(hosts, replace(desktop("d1", host_id=None), fork_kind="k")) == [("d1", "h2")]
