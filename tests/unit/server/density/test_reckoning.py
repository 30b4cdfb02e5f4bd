"""How much room a host says it has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frazil.model.room import Cost, Room, fit
from frazil.server.density.pressure import reserve_mib
from frazil.server.density.reckoning import Here, Host, Kind, reckon
from frazil.wire.hostlink import Headroom, Profile

PROFILE = Profile()


def host(**changes: object) -> Host:
    values: dict[str, object] = {
        "total_mib": 16384, "available_mib": 12000, "for_desktops_mib": 0, "templates_mib": 400, "others_mib": 0,
        "disk_free_mib": 100_000, "desktops_max": 128,
    } | changes  # fmt: skip
    return Host(**values)  # type: ignore[arg-type]


def here(n: int, *, memory: int = 60, end: int = 112) -> Here:
    return Here(desktop_id=f"d{n}", memory_mib=memory, memory_in_the_end_mib=end, disk_mib=20, disk_in_the_end_mib=128)


FORK = Kind(image_id="i1", profile=PROFILE, start="fork", cost=Cost(memory_mib=112, disk_mib=128), measured=7)


def reckoned(host: Host, *desktops: Here, kind: Kind = FORK) -> Headroom:
    return reckon(host, desktops, [kind], merged_mib=0, merging="")


def test_what_is_available_bounds_and_the_templates_cache_is_left_alone() -> None:
    headroom = reckoned(host())
    assert headroom.memory_mib == 12000 - reserve_mib(16384) - 400
    (kind,) = headroom.kinds
    assert (kind.more, kind.bound, kind.measured) == (headroom.memory_mib // 112, "memory", 7)


def test_a_desktop_that_is_still_small_is_given_what_its_kind_comes_to() -> None:
    fresh, grown = reckoned(host(), here(1, memory=0)), reckoned(host(), here(1, memory=112))
    assert fresh.memory_mib == grown.memory_mib - 112
    assert reckoned(host(), here(1, memory=300)).memory_mib == grown.memory_mib
    assert fresh.counted == ["d1"]


def test_the_memory_set_aside_bounds_before_the_hosts_does() -> None:
    headroom = reckoned(host(for_desktops_mib=1000), here(1, memory=112))
    assert (headroom.memory_mib, headroom.memory_bound) == (1000 - 400 - 112, "limit")
    assert (headroom.kinds[0].more, headroom.kinds[0].bound) == (4, "limit")
    assert reckoned(host(for_desktops_mib=1 << 20)).memory_bound == "memory"


def test_disk_processors_and_pressure_bound_too() -> None:
    full = reckoned(host(disk_free_mib=300), here(1))
    assert (full.kinds[0].more, full.kinds[0].bound) == (1, "disk")
    crowded = reckoned(host(desktops_max=3), here(1), here(2))
    assert (crowded.kinds[0].more, crowded.kinds[0].bound) == (1, "processors")
    short = reckoned(host(pressure="It is short."))
    assert (short.kinds[0].more, short.kinds[0].bound, short.pressure) == (0, "pressure", "It is short.")


@given(
    st.builds(
        Room,
        memory_mib=st.integers(-100, 50_000), disk_mib=st.integers(-100, 500_000), desktops=st.integers(-2, 300),
    ),
    st.builds(Cost, memory_mib=st.integers(1, 9000), disk_mib=st.integers(0, 9000)),
)  # fmt: skip
def test_so_many_fit_and_not_one_more(room: Room, cost: Cost) -> None:
    more = fit(room, cost).more
    for _ in range(min(more, 400)):
        assert fit(room, cost).more > 0
        room = room.less(cost)
    if more <= 400:
        assert fit(room, cost).more == 0


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 2000)), max_size=30), st.integers(0, 16384))
def test_what_is_promised_never_exceeds_what_is_there(desktops: list[tuple[int, int]], available: int) -> None:
    """Every desktop grown to its kind's cost, and all that fit made: the host's reserve and its templates stay."""
    many = [here(n, memory=now, end=end) for n, (now, end) in enumerate(desktops)]
    headroom = reckoned(host(available_mib=available), *many)
    growth = sum(max(0, end - now) for now, end in desktops)
    if headroom.kinds[0].more:
        assert available - growth - headroom.kinds[0].more * 112 >= reserve_mib(16384) + 400
