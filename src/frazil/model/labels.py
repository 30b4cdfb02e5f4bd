"""Labels: words that an administrator gives to hosts, by which pools ask for them, as room=3 and rack=a. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from frazil.model.errors import InvalidInput

MOST = 16
"""So many has one host, and so many may a pool ask for."""
KEY = r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?"
VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"

_KEY_REMEDY = (
    "Take lower-case letters, digits, dots, dashes and underscores, with a letter or digit first and last; "
    "at most 63 of them."
)
_VALUE_REMEDY = (
    "Take letters without accents, digits, dots, dashes and underscores, with a letter or digit first and last; "
    "at most 63 of them."
)


def check_key(key: str) -> None:
    """Raise InvalidInput unless it can be a label's name."""
    if not re.fullmatch(KEY, key):
        raise InvalidInput(f"{key[:64]!r} can't be a label's name.", remedy=_KEY_REMEDY)


def check(labels: Mapping[str, str]) -> None:
    """Raise InvalidInput unless they can be a host's labels."""
    for key, value in labels.items():
        check_key(key)
        if not re.fullmatch(VALUE, value):
            raise InvalidInput(f"{value[:64]!r} can't be the value of the label {key}.", remedy=_VALUE_REMEDY)
    if len(labels) > MOST:
        raise InvalidInput(f"{len(labels)} labels are too many.", remedy=f"Take {MOST} at most.")


def changed(labels: Mapping[str, str], words: Iterable[str]) -> dict[str, str]:
    """`labels` after `words`: KEY=VALUE sets one, KEY- takes one away, if it is there. Raises InvalidInput."""
    after = dict(labels)
    said: set[str] = set()
    for word in words:
        key, sets, value = word.partition("=")
        if not sets:
            key = word.removesuffix("-")
        if key == word:
            raise InvalidInput(
                f"{word[:64]!r} is no label.", remedy="Write KEY=VALUE to set one, KEY- to take one away."
            )
        if key in said:
            raise InvalidInput(f"The label {key[:64]} is named twice.", remedy="A host has one value of each.")
        check_key(key)
        said.add(key)
        if sets:
            after[key] = value
        else:
            after.pop(key, None)
    check(after)
    return after


def has(labels: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Whether all that is asked for is among the labels."""
    return asked.items() <= labels.items()


def in_words(labels: Mapping[str, str]) -> str:
    """In the order of their names: "rack=a, room=3"."""
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
