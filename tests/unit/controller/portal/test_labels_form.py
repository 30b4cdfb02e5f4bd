"""Labels in a form's field."""

from __future__ import annotations

import pytest

from frazil.controller.portal.forms import WrongForm
from frazil.controller.portal.labels_form import labels_of, text
from tests.unit.controller.portal.samples import frame

READER = frame("hu").reader


def test_what_is_typed_is_read_apart_by_spaces_or_commas() -> None:
    assert labels_of({"labels": " room=3,rack=b  kind=Gpu "}, "labels", READER) == {
        "room": "3",
        "rack": "b",
        "kind": "Gpu",
    }
    assert labels_of({"labels": ""}, "labels", READER) == labels_of({}, "labels", READER) == {}
    assert labels_of({"x": text({"room": "3", "rack": "b"})}, "x", READER) == {"room": "3", "rack": "b"}


@pytest.mark.parametrize("typed", ["room", "room-", "Room=3", "room=", "room=3 room=4", "room=3 rack-"])
def test_what_is_wrong_is_said_at_the_field_and_takes_nothing_away(typed: str) -> None:
    with pytest.raises(WrongForm) as caught:
        labels_of({"labels": typed}, "labels", READER)
    assert "legfeljebb 16" in caught.value.wrong["labels"]
