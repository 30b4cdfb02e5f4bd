"""Two policies together allow what both allow."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frazil.model.policy import ClipboardType, Policy

FLAGS = (
    "clipboard_to_desktop",
    "clipboard_from_desktop",
    "files_to_desktop",
    "folders",
    "usb",
    "sound",
    "microphone",
)


def _policy(fields: dict[str, Any]) -> Policy:
    return Policy(**fields)


POLICIES = st.fixed_dictionaries(
    {
        "clipboard_types": st.frozensets(st.sampled_from(ClipboardType)),
        "clipboard_max_kib": st.integers(0, 1 << 16),
        "usb_filters": st.lists(st.sampled_from(["0x03,-1,-1,-1,0", "-1,-1,-1,-1,1"]), unique=True).map(tuple),
        **{flag: st.booleans() for flag in FLAGS},
    }
).map(_policy)


@given(POLICIES, POLICIES)
def test_what_both_allow(one: Policy, other: Policy) -> None:
    both = one.narrowed(other)
    for flag in FLAGS:
        assert getattr(both, flag) == (getattr(one, flag) and getattr(other, flag))
    assert both.clipboard_types == one.clipboard_types & other.clipboard_types
    assert both.clipboard_max_kib == min(one.clipboard_max_kib, other.clipboard_max_kib)
    assert set(both.usb_filters) == {*one.usb_filters, *other.usb_filters}


@given(POLICIES)
def test_a_policy_that_forbids_nothing_changes_nothing(one: Policy) -> None:
    assert one.narrowed(one) == one
    if one.clipboard_max_kib <= Policy().clipboard_max_kib:
        assert Policy().narrowed(one) == one
