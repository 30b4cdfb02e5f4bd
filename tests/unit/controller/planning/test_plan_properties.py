"""What holds for every plan, whatever the facts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from frazil.controller.planning import (
    Announce,
    DesktopFacts,
    EndKept,
    Facts,
    Fail,
    HostFacts,
    MakeSpare,
    Place,
    PoolFacts,
    RemoveDesktop,
    RemovePool,
    ShutDown,
    WantAbsent,
    Where,
    plan,
)
from frazil.controller.planning.facts import ANYWHERE
from frazil.model.desktop import Guest, Phase, Power, State
from frazil.model.room import QEMU_OWN_MIB, Cost, Room
from tests.unit.controller.planning.build import BROKEN, NOW, desktop, facts, host, pool

IN_ROOM_3 = Where(labels=frozenset({("room", "3")}))


@st.composite
def moments(draw: st.DrawFn) -> Facts:
    hosts = {
        f"h{n}": host(
            f"h{n}",
            up=(up := draw(st.booleans())),
            silent=not up and draw(st.booleans()),
            memory_available_mib=draw(st.none() | st.integers(0, 20_000)),
            images_ready=frozenset({"i1"}) if draw(st.booleans()) else frozenset(),
            maintenance=draw(st.booleans()),
            labels=draw(st.sampled_from([{}, {"room": "3"}, {"room": "4"}])),
        )
        for n in range(1, draw(st.integers(1, 3)) + 1)
    }
    pools = tuple(
        pool(
            f"p{n}",
            spares=draw(st.integers(0, 6)),
            max_desktops=draw(st.integers(1, 12)),
            deleting=draw(st.booleans()),
            where=draw(st.sampled_from([ANYWHERE, IN_ROOM_3])),
        )
        for n in range(1, draw(st.integers(0, 2)) + 1)
    )
    desktops = tuple(
        desktop(
            f"d{n}",
            in_use=draw(st.booleans()),
            power=draw(st.sampled_from(Power)),
            host_id=draw(st.none() | st.sampled_from(sorted(hosts))),
            seen=draw(st.none() | st.tuples(st.sampled_from(State), st.sampled_from(Guest))),
            seen_attempt=draw(st.integers(1, 2)),
            attempt=2,
            failure=draw(st.none() | st.just(BROKEN)),
            failed_at=NOW - timedelta(seconds=draw(st.integers(0, 100))),
            since=NOW - timedelta(seconds=draw(st.integers(0, 120))),
            created_at=NOW - timedelta(seconds=draw(st.integers(0, 1000))),
            assigned=draw(st.booleans()),
            announced=draw(st.sampled_from(Phase)),
            pool_id=draw(st.sampled_from([one.id for one in pools])),
            kept_until=NOW + timedelta(seconds=draw(st.integers(-5, 5))) if draw(st.booleans()) else None,
        )
        for n in range(draw(st.integers(0, 15)) if pools else 0)
    )
    # Only what a host has is kept.
    desktops = tuple(one if one.host_id is not None else replace(one, kept_until=None) for one in desktops)
    return facts(hosts=hosts, pools=pools, desktops=desktops)


def _fits(where: HostFacts, one: PoolFacts) -> bool:
    """Whether the pool's desktops may be there."""
    return not where.maintenance and (one.where is ANYWHERE or where.labels.get("room") == "3")


def _phases(moment: Facts) -> dict[str, tuple[DesktopFacts, Phase]]:
    return {one.id: (one, one.phase(moment.hosts)) for one in moment.desktops}


@given(moments())
def test_the_same_facts_give_the_same_plan(moment: Facts) -> None:
    assert plan(moment) == plan(moment)


@given(moments())
def test_no_pool_grows_past_its_bound_and_none_makes_more_spares_than_it_wants(moment: Facts) -> None:
    made = Counter(action.pool_id for action in plan(moment).actions if isinstance(action, MakeSpare))
    for one in moment.pools:
        mine = [d for d in moment.desktops if d.pool_id == one.id]
        if made[one.id]:
            assert not one.deleting
            assert len(mine) + made[one.id] <= one.max_desktops
            stay = [d for d in mine if d.host_id is None or _fits(moment.hosts[d.host_id], one)]
            ready = [d for d in stay if not d.assigned and d.phase(moment.hosts) is Phase.READY]
            assert len(ready) + made[one.id] <= one.spares


@given(moments())
def test_nothing_is_placed_where_its_pool_or_the_host_does_not_want_it(moment: Facts) -> None:
    phases, of_pools = _phases(moment), {one.id: one for one in moment.pools}
    for action in plan(moment).actions:
        if isinstance(action, Place | MakeSpare):
            pool_id = action.pool_id if isinstance(action, MakeSpare) else phases[action.desktop_id][0].pool_id
            assert _fits(moment.hosts[action.host_id], of_pools[pool_id])


@given(moments())
def test_only_what_is_surely_gone_is_forgotten(moment: Facts) -> None:
    phases = _phases(moment)
    for action in plan(moment).actions:
        if isinstance(action, RemoveDesktop):
            one, _ = phases[action.desktop_id]
            assert one.wanted.power is Power.ABSENT
            if one.host_id is not None:
                assert not moment.hosts[one.host_id].silent
                assert one.fresh_seen is not None
                assert one.fresh_seen.state is State.ABSENT
        if isinstance(action, RemovePool):
            assert not any(d.pool_id == action.pool_id for d in moment.desktops)


@given(moments())
def test_nobodys_desktop_is_taken_unless_the_pool_goes(moment: Facts) -> None:
    phases = _phases(moment)
    deleting = {one.id for one in moment.pools if one.deleting}
    for action in plan(moment).actions:
        if isinstance(action, WantAbsent):
            one, phase = phases[action.desktop_id]
            assert one.pool_id in deleting or (not one.assigned and phase is not Phase.UNKNOWN)


@given(moments())
def test_what_is_kept_is_left_alone_until_its_time_is_over(moment: Facts) -> None:
    phases = _phases(moment)
    for action in plan(moment).actions:
        one = phases[action.desktop_id][0] if hasattr(action, "desktop_id") else None
        if isinstance(action, EndKept):
            assert one is not None
            assert one.kept_until is not None
            assert one.kept_until <= moment.now
        elif one is not None and one.kept_until is not None:
            assert isinstance(action, Announce | RemoveDesktop)


@given(moments())
def test_what_is_unknown_never_fails_and_what_failed_does_not_fail_again(moment: Facts) -> None:
    phases = _phases(moment)
    for action in plan(moment).actions:
        if isinstance(action, Fail):
            one, _ = phases[action.desktop_id]
            assert one.wanted.failure is None
            assert one.wanted.power is not Power.ABSENT
            if not one.host_silent(moment.hosts):
                continue
            # Only what its host itself said before it fell silent.
            assert one.fresh_seen is not None
            assert one.fresh_seen.failure is not None


@given(moments())
def test_desktops_are_placed_once_and_only_where_they_can_run(moment: Facts) -> None:
    placed = [action for action in plan(moment).actions if isinstance(action, Place)]
    assert len({action.desktop_id for action in placed}) == len(placed)
    left: dict[str, HostFacts] = moment.hosts
    for host_id, count in Counter(action.host_id for action in placed).items():
        target = left[host_id]
        assert target.up
        assert not target.silent
        assert not target.maintenance
        assert "i1" in target.images_ready
        assert target.memory_available_mib is not None
        assert target.memory_available_mib >= 1024 * count


@given(moments())
def test_maintenance_shuts_down_what_nobody_uses_and_ends_nobodys_spare_elsewhere(moment: Facts) -> None:
    closed = {id for id, one in moment.hosts.items() if one.maintenance}
    phases = _phases(moment)
    for action in plan(moment).actions:
        if isinstance(action, MakeSpare):
            assert action.host_id not in closed
        if isinstance(action, ShutDown):
            one, phase = phases[action.desktop_id]
            assert one.host_id in closed
            assert (one.assigned, one.in_use) == (True, False)
            assert phase is not Phase.UNKNOWN
        if isinstance(action, WantAbsent) and "maintenance" in action.reason:
            one, phase = phases[action.desktop_id]
            assert one.host_id in closed
            assert not one.assigned
            assert phase is not Phase.UNKNOWN


@given(moments())
def test_whatever_waits_has_words(moment: Facts) -> None:
    decided = plan(moment)
    placed = {action.desktop_id for action in decided.actions if isinstance(action, Place | Fail)}
    for one, phase in _phases(moment).values():
        if phase is Phase.WAITING and one.id not in placed:
            assert decided.waiting[one.id]


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=3),
    st.integers(1, 400),
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30),
)
def test_no_more_is_placed_than_the_hosts_have_room_for(
    left_mib: list[int], each_mib: int, kinds: list[tuple[bool, bool]]
) -> None:
    """Some forked, some booted; some placed before and not counted by their host yet."""
    hosts = {
        f"h{n}": host(
            f"h{n}",
            room=Room(memory_mib=mib, disk_mib=9000, desktops=7),
            fork_costs={"k": Cost(memory_mib=each_mib, disk_mib=1)},
        )
        for n, mib in enumerate(left_mib)
    }
    desktops = tuple(
        replace(desktop(f"d{n}", host_id="h0" if there else None, seen=None), fork_kind="k" if forked else None)
        for n, (forked, there) in enumerate(kinds)
    )
    decided = plan(facts(hosts=hosts, pools=(), desktops=desktops))
    given_mib: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for one in desktops:
        if one.host_id is not None:
            given_mib[one.host_id] += each_mib if one.fork_kind else 1024 + QEMU_OWN_MIB
            given[one.host_id] += 1
    placed = {action.desktop_id: action.host_id for action in decided.actions if isinstance(action, Place)}
    for one in desktops:
        if one.id in placed:
            given_mib[placed[one.id]] += each_mib if one.fork_kind else 1024 + QEMU_OWN_MIB
            given[placed[one.id]] += 1
    for host_id in set(placed.values()):
        room = hosts[host_id].room
        assert room is not None
        assert given_mib[host_id] <= room.memory_mib
        assert given[host_id] <= 7
