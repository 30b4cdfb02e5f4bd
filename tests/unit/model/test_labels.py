"""What can be a label, and how commands change a host's labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model import labels
from frazil.model.errors import InvalidInput

keys = st.from_regex(labels.KEY, fullmatch=True)
some = st.dictionaries(keys, st.from_regex(labels.VALUE, fullmatch=True), max_size=labels.MOST)


def test_a_word_sets_or_takes_away_and_the_rest_stays() -> None:
    assert labels.changed({"room": "3", "rack": "a"}, ["rack=B", "kind=gpu", "room-"]) == {"rack": "B", "kind": "gpu"}
    assert labels.changed({"room": "3"}, ["rack-"]) == {"room": "3"}
    assert labels.changed({"room": "3"}, []) == {"room": "3"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["room"], "'room' is no label. Write KEY=VALUE to set one, KEY- to take one away."),
        (["Room=3"], "'Room' can't be a label's name."),
        (["room="], "'' can't be the value of the label room."),
        (["room=a b"], "'a b' can't be the value of the label room."),
        (["room=3-"], "'3-' can't be the value of the label room."),
        (["room=3\n"], "can't be the value of the label room."),
        (["=3"], "'' can't be a label's name."),
        (["-"], "'' can't be a label's name."),
        (["room=3", "room=4"], "The label room is named twice."),
        (["room=3", "room-"], "The label room is named twice."),
        ([f"k{n}=1" for n in range(17)], "17 labels are too many. Take 16 at most."),
        ([f"{'k' * 64}=1"], "at most 63 of them."),
    ],
)
def test_what_can_be_no_label_is_said(words: list[str], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        labels.changed({}, words)
    assert said in str(caught.value)


@given(some, some)
def test_any_labels_become_any_others_by_words(before: dict[str, str], after: dict[str, str]) -> None:
    gone = [f"{key}-" for key in before.keys() - after.keys()]
    assert labels.changed(before, gone + [f"{key}={value}" for key, value in after.items()]) == after
    assert labels.changed({}, labels.in_words(after).replace(",", "").split()) == after


def test_they_are_told_in_the_order_of_their_names() -> None:
    assert labels.in_words({"room": "3", "rack": "a"}) == "rack=a, room=3"
    assert labels.in_words({}) == ""
