"""What is over a quota, and how that is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.quota import ORDER, Amounts, Excess, What, excess

amounts = st.builds(Amounts, **{what: st.integers(0, 50) for what in ORDER})


def test_zero_is_no_limit() -> None:
    much = Amounts(desktops=999, vcpus=999, memory_mib=999, sessions=999)
    assert excess(Amounts(), used=much, asked=much) is None
    assert not Amounts().limits
    assert Amounts(sessions=1).limits


@pytest.mark.parametrize("what", ORDER)
def test_exactly_what_is_allowed_fits_and_one_more_does_not(what: What) -> None:
    quota = Amounts(**{what: 3})
    asked = Amounts(**{what: 1})
    assert excess(quota, used=Amounts(**{what: 2}), asked=asked) is None
    assert excess(quota, used=Amounts(**{what: 3}), asked=asked) == Excess(what, 3, 1, 3)


def test_who_uses_more_than_a_lowered_quota_is_refused_only_more_of_the_same() -> None:
    quota, used = Amounts(desktops=1, sessions=2), Amounts(desktops=5, sessions=1)
    assert excess(quota, used=used, asked=Amounts(sessions=1)) is None
    assert excess(quota, used=used, asked=Amounts(desktops=1, sessions=1)) == Excess("desktops", 5, 1, 1)


@given(amounts, amounts, amounts)
def test_what_is_given_never_makes_more_than_the_quota(quota: Amounts, used: Amounts, asked: Amounts) -> None:
    over = excess(quota, used=used, asked=asked)
    too_much = [w for w in ORDER if quota.of(w) and asked.of(w) and used.of(w) + asked.of(w) > quota.of(w)]
    assert (over.what if over is not None else None) == (too_much[0] if too_much else None)


def test_it_is_said_in_plain_words_with_the_numbers() -> None:
    assert Excess("desktops", 2, 1, 2).in_words(own=True, name="ann") == "You use 2 of 2 desktops."
    assert Excess("sessions", 3, 1, 2).in_words(own=False, name="ann") == "ann has 3 of 2 sessions open."
    said = Excess("vcpus", 3, 2, 4).in_words(own=False, name="The group class-7")
    assert said == "The group class-7 uses 3 of 4 vCPU, and this desktop needs 2."
    said = Excess("memory_mib", 0, 2048, 1024).in_words(own=True, name="")
    assert said == "You use 0 of 1024 MiB of memory, and this desktop needs 2048."


def test_a_quota_in_words_names_what_is_limited() -> None:
    assert Amounts().in_words() == ()
    assert Amounts(desktops=2, memory_mib=512).in_words() == ("desktops: 2", "memory: 512 MiB")
    assert Amounts(vcpus=4, sessions=1).in_words() == ("vCPU: 4", "sessions: 1")
