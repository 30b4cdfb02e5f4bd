"""Which templates go when the disk runs short."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from frazil.server.templates.room import QUIET_S, Held, needed_bytes, to_go
from frazil.server.templates.store import Manifest, Template

NOW_S = 1_900_000_000.0


def held(name: str, *, size: int = 100, ago_s: float = 0.0, wanted: bool = False, busy: bool = False) -> Held:
    manifest = Manifest(
        installation_id="ours", key=name, image_id="i", made_at="", state_sha256="", boot_s=0, freeze_s=0
    )
    template = Template(manifest=manifest, directory=Path("/nowhere") / name)
    return Held(template=template, size_bytes=size, last_used_s=NOW_S - ago_s, wanted=wanted, busy=busy)


def going(*all_held: Held, short: int) -> list[str]:
    return [one.template.manifest.key for one in to_go(all_held, short_bytes=short, now_s=NOW_S)]


def test_nothing_goes_while_nothing_is_short() -> None:
    assert going(held("a", ago_s=9e6), short=0) == []


def test_the_least_used_goes_first_and_no_more_than_needed() -> None:
    three = held("new", ago_s=1), held("old", ago_s=900), held("older", ago_s=5000)
    assert going(*three, short=1) == ["older"]
    assert going(*three, short=101) == ["older", "old"]


def test_one_that_no_pool_wants_goes_before_one_that_is_wanted() -> None:
    assert going(held("wanted", ago_s=9e6, wanted=True), held("unwanted", ago_s=1), short=1) == ["unwanted"]


def test_one_that_a_desktop_is_made_of_never_goes() -> None:
    assert going(held("busy", ago_s=9e6, busy=True), short=10**12) == []


def test_one_that_is_wanted_and_was_used_lately_stays() -> None:
    assert going(held("a", ago_s=QUIET_S - 1, wanted=True), held("b", ago_s=QUIET_S, wanted=True), short=10**9) == ["b"]


@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1e7), st.booleans(), st.booleans()), max_size=8),
    st.integers(0, 2000),
)
def test_what_stays_could_not_have_helped(raw: list[tuple[int, float, bool, bool]], short: int) -> None:
    all_held = [
        held(str(n), size=size, ago_s=ago, wanted=wanted, busy=busy) for n, (size, ago, wanted, busy) in enumerate(raw)
    ]
    chosen = to_go(all_held, short_bytes=short, now_s=NOW_S)
    assert not any(one.busy or (one.wanted and NOW_S - one.last_used_s < QUIET_S) for one in chosen)
    freed = sum(one.size_bytes for one in chosen)
    assert freed - (chosen[-1].size_bytes if chosen else 0) < max(short, 1), "the last one was needed"
    if freed < short:
        allowed = [one for one in all_held if not one.busy and (not one.wanted or NOW_S - one.last_used_s >= QUIET_S)]
        assert len(chosen) == len(allowed)


def test_all_of_the_memory_is_counted() -> None:
    assert needed_bytes(768) > 768 << 20
