"""Reads a recipe's TOML key by key, so that a key that is missing, wrong or unknown is refused by its name."""

from __future__ import annotations

import re

from frazil.model.errors import InvalidInput


class Table:
    """A TOML table that is read key by key; what stays unread is a mistake."""

    def __init__(self, data: object, *, where: str) -> None:
        if not isinstance(data, dict):
            raise wrong(where, "is not a table")
        self._data: dict[str, object] = dict(data)
        self._where = where

    def _take(self, key: str) -> object:
        if key not in self._data:
            raise wrong(self._name(key), "is missing")
        return self._data.pop(key)

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not value or "\n" in value:
            raise wrong(self._name(key), "must be a line of text")
        if pattern is not None and pattern.fullmatch(value) is None:
            raise wrong(self._name(key), f"must match {pattern.pattern}, not {value!r}")
        return value

    def number(self, key: str, *, least: int, most: int) -> int:
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise wrong(self._name(key), f"must be a whole number from {least} to {most}, not {value!r}")
        return value

    def texts(self, key: str, pattern: re.Pattern[str] | None = None) -> tuple[str, ...]:
        """A list of lines; empty where the key is not there."""
        if key not in self._data:
            return ()
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise wrong(self._name(key), "must be a list of texts")
        for item in value:
            if "\n" in item or (pattern is not None and pattern.fullmatch(item) is None):
                raise wrong(self._name(key), f"has an item that can't be used: {item!r}")
        return tuple(value)

    def table(self, key: str) -> Table:
        return Table(self._take(key), where=self._name(key))

    def has(self, key: str) -> bool:
        """Whether the key is there and was not read yet."""
        return key in self._data

    def names(self) -> tuple[str, ...]:
        """What was not read yet."""
        return tuple(self._data)

    def end(self) -> None:
        """Nothing more is read: what is left is a mistake."""
        if self._data:
            raise wrong(self._name(sorted(self._data)[0]), "is no key of a recipe")


def wrong(key: str, text: str) -> InvalidInput:
    return InvalidInput(
        f"The recipe's {key} {text}." if key else f"The recipe {text}.",
        remedy="docs/reference/images.md lists every key of a recipe.",
        field=key,
    )
