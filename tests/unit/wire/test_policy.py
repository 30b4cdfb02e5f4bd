"""A policy between processes and in bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from frazil.model.policy import ClipboardType, Policy
from frazil.wire.policy import PolicyChange, PolicyField

POLICIES = st.builds(
    Policy,
    clipboard_types=st.frozensets(st.sampled_from(ClipboardType)),
    usb_filters=st.lists(st.sampled_from(["0x03,-1,-1,-1,0", "-1,-1,-1,-1,1"]), unique=True).map(tuple),
)


@given(POLICIES)
def test_nothing_is_lost_on_the_way(policy: Policy) -> None:
    assert PolicyField.model_validate_json(PolicyField.of(policy).model_dump_json()).value() == policy


def test_silence_allows_everything() -> None:
    assert PolicyField.model_validate_json("{}").value() == Policy()


def test_what_a_newer_peer_can_copy_besides_is_not_let_pass() -> None:
    field = PolicyField.model_validate_json('{"clipboard_types": ["text", "smell"], "printing": false}')
    assert field.value().clipboard_types == {ClipboardType.TEXT}


@given(POLICIES)
def test_a_change_leaves_what_it_does_not_name(policy: Policy) -> None:
    assert PolicyChange().applied_to(policy) == policy
    changed = PolicyChange(sound=False, usb_filters=[]).applied_to(policy)
    assert (changed.sound, changed.usb_filters) == (False, ())
    assert changed.clipboard_types == policy.clipboard_types


@pytest.mark.parametrize(
    "body",
    ['{"usb_filters": ["all"]}', '{"clipboard_types": ["smell"]}', '{"clipboard_max_kib": 0}', '{"sund": false}'],
)
def test_a_wrong_change_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        PolicyChange.model_validate_json(body)
