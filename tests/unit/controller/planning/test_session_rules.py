"""When a session ends by its pool's rules."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.controller.planning import EndSession, SessionFacts, WarnSession, plan
from frazil.controller.planning.session_rules import (
    TOLD_EVERY,
    WARNING,
    End,
    Limit,
    SessionRules,
    Use,
    end_of,
    look_at,
    warn_at,
)
from tests.unit.controller.planning.build import NOW, ago, facts

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def used(**changes: object) -> Use:
    values: dict[str, object] = {"opened_at": ago(1800)}
    return Use(**{**values, **changes})  # type: ignore[arg-type]


def test_without_rules_nothing_ends() -> None:
    use = used(left_at=ago(10_000_000), idle=HOUR, idle_told_at=NOW)
    assert end_of(SessionRules(), use, now=NOW) is None
    assert look_at(SessionRules(), use, now=NOW) is None
    assert warn_at(SessionRules(), use) is None


def test_the_grace_counts_from_when_the_last_viewer_left() -> None:
    rules = SessionRules(grace=10 * MINUTE)
    assert end_of(rules, used(), now=NOW) is None, "somebody is connected"
    assert end_of(rules, used(left_at=ago(599)), now=NOW) == End(NOW + timedelta(seconds=1), Limit.GRACE, False)
    assert end_of(rules, used(left_at=ago(600)), now=NOW) == End(NOW, Limit.GRACE, True)
    assert look_at(rules, used(left_at=ago(599)), now=NOW) == NOW + timedelta(seconds=1)


def test_the_longest_time_ends_nobodys_session_without_a_warning_before() -> None:
    rules = SessionRules(longest=HOUR)
    long = used(opened_at=ago(5 * 3600))
    unwarned = end_of(rules, long, now=NOW)
    assert unwarned is not None
    assert not unwarned.due
    assert warn_at(rules, used(opened_at=NOW)) == NOW + HOUR - WARNING
    just_warned = used(opened_at=ago(5 * 3600), warned_at=NOW)
    assert end_of(rules, just_warned, now=NOW) == End(NOW + WARNING, Limit.LONGEST, False)
    assert warn_at(rules, just_warned) is None
    assert look_at(rules, just_warned, now=NOW) == NOW + WARNING
    warned = used(opened_at=ago(3600), warned_at=NOW - WARNING)
    assert end_of(rules, warned, now=NOW) == End(NOW, Limit.LONGEST, True)


def test_a_short_session_is_warned_half_way() -> None:
    assert SessionRules(longest=4 * MINUTE).warning == 2 * MINUTE
    assert SessionRules(longest=HOUR).warning == SessionRules().warning == WARNING


def test_only_idleness_that_a_gateway_saw_counts() -> None:
    rules = SessionRules(idle=10 * MINUTE)
    assert end_of(rules, used(), now=NOW) is None, "it was not told"
    almost = used(idle=10 * MINUTE - timedelta(seconds=1), idle_told_at=ago(4))
    found = end_of(rules, almost, now=NOW)
    assert found == End(ago(3), Limit.IDLE, False), "a key may have been pressed since"
    assert look_at(rules, almost, now=NOW) == NOW + TOLD_EVERY
    assert look_at(rules, used(idle=MINUTE, idle_told_at=NOW), now=NOW) == NOW + 9 * MINUTE + TOLD_EVERY
    seen = used(idle=10 * MINUTE, idle_told_at=ago(4))
    assert end_of(rules, seen, now=NOW) == End(ago(4), Limit.IDLE, True)


def test_the_first_end_counts_and_one_that_is_due_goes_first() -> None:
    rules = SessionRules(grace=10 * MINUTE, longest=HOUR)
    found = end_of(rules, used(left_at=ago(60)), now=NOW)
    assert found is not None
    assert found.limit is Limit.GRACE
    overdue_but_unwarned = used(opened_at=ago(7200), left_at=ago(600))
    found = end_of(rules, overdue_but_unwarned, now=NOW)
    assert found == End(NOW, Limit.GRACE, True)


def test_the_plan_warns_ends_and_says_when_to_look_again() -> None:
    def planned(rules: SessionRules, use: Use) -> tuple[list[object], float | None]:
        made = plan(facts(pools=(), sessions=(SessionFacts(id="s1", rules=rules, use=use),)))
        return list(made.actions), made.due_in_s

    rules = SessionRules(grace=10 * MINUTE, longest=HOUR)
    assert planned(rules, used(left_at=ago(600))) == ([EndSession("s1")], None)
    assert planned(rules, used(opened_at=ago(3300))) == ([WarnSession("s1")], None)
    assert planned(rules, used(opened_at=ago(3000))) == ([], 300.0)
    assert planned(rules, used(opened_at=ago(3300), warned_at=NOW)) == ([], 300.0)
    assert planned(rules, used(left_at=ago(540))) == ([], 60.0)
    assert planned(SessionRules(), used()) == ([], None)


seconds = st.integers(1, 100_000)
spans = st.none() | seconds.map(lambda n: timedelta(seconds=n))


@st.composite
def uses(draw: st.DrawFn) -> Use:
    def before(n: int) -> datetime:
        return ago(n)

    idle = draw(spans)
    return Use(
        opened_at=before(draw(seconds)),
        left_at=draw(st.none() | seconds.map(before)),
        warned_at=draw(st.none() | seconds.map(before)),
        idle=idle,
        idle_told_at=before(draw(st.integers(0, 15))) if idle is not None else None,
    )


@given(rules=st.builds(SessionRules, grace=spans, longest=spans, idle=spans), use=uses())
def test_what_is_to_happen_is_looked_at_in_time(rules: SessionRules, use: Use) -> None:
    """Nothing is due before its time, and whatever is still to come has a time at which it is looked at."""
    end = end_of(rules, use, now=NOW)
    again = look_at(rules, use, now=NOW)
    assert (again is None) == (end is None and warn_at(rules, use) is None)
    if end is not None and end.due:
        assert end.at <= NOW
        assert end.limit is not Limit.LONGEST or use.warned_at is not None
    if end is not None and not end.due and end.limit is Limit.GRACE:
        assert again is not None
        assert again <= end.at


@pytest.mark.parametrize("later_s", [0, 1, 299, 300, 301, 10_000])
def test_between_warning_and_end_there_is_the_whole_warning(later_s: int) -> None:
    rules = SessionRules(longest=HOUR)
    use = used(opened_at=ago(3600 + later_s), warned_at=ago(later_s))
    end = end_of(rules, use, now=NOW)
    assert end is not None
    assert end.due == (later_s >= WARNING.total_seconds())
