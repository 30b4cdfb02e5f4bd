"""Labels, as one field in a form: room=3 rack=a."""

from __future__ import annotations

from collections.abc import Mapping

from frazil.controller.portal.forms import WrongForm
from frazil.controller.portal.reader import Reader
from frazil.model import labels
from frazil.model.errors import InvalidInput


def labels_of(form: Mapping[str, str], field: str, reader: Reader) -> dict[str, str]:
    """What the field says; none where it is empty. Raises WrongForm."""
    _ = reader.gettext
    words = form.get(field, "").replace(",", " ").split()
    try:
        said = labels.changed({}, words)
    except InvalidInput:
        said = {}
    if len(said) != len(words):
        text = _(
            "Write each label like room=3, apart by spaces, and each name once; at most %(most)s of them. A name has "
            "small letters, digits, dots, dashes and underscores, a value capital letters too; both begin and end with "
            "a letter or digit."
        )
        raise WrongForm({field: text % {"most": reader.number(labels.MOST)}})
    return said


def text(said: Mapping[str, str]) -> str:
    """As the field has them."""
    return labels.in_words(said).replace(",", "")
