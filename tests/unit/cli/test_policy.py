"""From options to a change of what may pass."""

from __future__ import annotations

import pytest

from frazil.cli import policy
from frazil.cli.policy import Passage
from frazil.model.errors import InvalidInput
from frazil.model.policy import ClipboardType, Policy

STORAGE = "0x08,-1,-1,-1,0|-1,-1,-1,-1,1"


def _after(before: Policy, **options: object) -> Policy:
    values: dict[str, object] = {"forbid": None, "allow": None, "clipboard_max_kib": None, "usb_filters": None}
    change = policy.change(before, **{**values, **options})  # type: ignore[arg-type]
    return before if change is None else change.applied_to(before)


@pytest.mark.parametrize("passage", list(Passage))
def test_each_can_be_forbidden_and_allowed_again(passage: Passage) -> None:
    forbidden = _after(Policy(), forbid=[passage])
    assert len(forbidden.forbidden()) == 1
    assert _after(forbidden, allow=[passage]) == Policy()


def test_options_leave_what_they_do_not_name() -> None:
    before = Policy(clipboard_types=frozenset({ClipboardType.TEXT}), sound=False, usb_filters=(STORAGE,))
    after = _after(before, forbid=[Passage.CLIPBOARD_TEXT], clipboard_max_kib=64)
    assert (after.clipboard_types, after.clipboard_max_kib) == (frozenset(), 64)
    assert (after.sound, after.usb_filters) == (False, (STORAGE,))
    assert policy.change(before, forbid=None, clipboard_max_kib=None, usb_filters=None) is None


def test_usb_filters_are_set_and_taken_away() -> None:
    filtered = _after(Policy(), usb_filters=[STORAGE])
    assert filtered.usb_filters == (STORAGE,)
    assert _after(filtered, usb_filters=[""]).usb_filters == ()


def test_what_makes_no_sense_is_refused_in_words() -> None:
    with pytest.raises(InvalidInput, match="usb is both forbidden and allowed"):
        _after(Policy(), forbid=[Passage.USB], allow=[Passage.USB])
    with pytest.raises(InvalidInput, match=r"usb_filters\.0: 'all' is no rule for USB devices"):
        _after(Policy(), usb_filters=["all"])
