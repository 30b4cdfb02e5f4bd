"""Kinds of field whose layout depends on earlier fields of the same record (`switch` and sizes in spice.proto).

The display channel is full of them: a brush is a colour or a picture, a clip may be a list, a bitmap's bytes are as
many as its lines and their length make. Such a kind is asked `within` what the earlier fields say, and answers with a
plain kind of `fields`, which then reads or writes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.fields import DueAtOffset, FixedArray, Kind, Octets, Writer


class Dependent(ABC):
    """What they have in common. `fields` names the earlier fields that are looked at."""

    __slots__ = ("fields", "least_bytes")

    def __init__(self, *fields: str) -> None:
        self.fields = fields
        self.least_bytes = 0

    @abstractmethod
    def within(self, before: Mapping[str, Any]) -> Kind:
        """The kind that is due, which may depend in its turn. Raises ValueError where `fields` have no layout."""

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> Any:
        try:
            kind = self.within(before)
        except ValueError as exc:
            raise RemoteProtocolError(str(exc)) from exc
        return kind.read(cursor, before)

    def write(self, out: Writer, value: Any) -> None:
        """Never called by `records`, which asks `within` first: alone, such a field has no layout."""
        raise LocalProtocolError("A field that depends on others is only written within its record.")


class Nothing:
    """No bytes at all, and None: a choice that is not there."""

    __slots__ = ()
    least_bytes = 0

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> None:
        return None

    def write(self, out: Writer, value: None) -> None:
        if value is not None:
            raise LocalProtocolError("A field must be None where the fields before it say that it is not there.")


class Choice(Dependent):
    """One of several kinds, as an earlier field's number says; a number without a case is refused."""

    __slots__ = ("cases",)

    def __init__(self, field: str, cases: Mapping[int, Kind]) -> None:
        super().__init__(field)
        self.cases = cases

    def within(self, before: Mapping[str, Any]) -> Kind:
        value = before[self.fields[0]]
        kind = self.cases.get(value)
        if kind is None:
            raise ValueError(f"A message has {value} as its {self.fields[0]}, which means nothing.")
        return kind


class Flagged(Dependent):
    """One kind where any of `bits` is set in an earlier field, another one (or nothing) where none is."""

    __slots__ = ("_clear", "_set", "bits")

    def __init__(self, field: str, bits: int, when_set: Kind, *, when_clear: Kind | None = None) -> None:
        super().__init__(field)
        self.bits = bits
        self._set = when_set
        self._clear = when_clear or Nothing()

    def within(self, before: Mapping[str, Any]) -> Kind:
        return self._set if before[self.fields[0]] & self.bits else self._clear


class OctetsSizedBy(Dependent):
    """So many bytes as `size` makes of earlier fields."""

    __slots__ = ("_size",)

    def __init__(self, *fields: str, size: Callable[..., int]) -> None:
        super().__init__(*fields)
        self._size = size

    def within(self, before: Mapping[str, Any]) -> Kind:
        return Octets(self._size(*(before[name] for name in self.fields)))


class ArrayAtOffsetCountedBy(Dependent):
    """A u32 offset to as many items as an earlier field says."""

    __slots__ = ("_item",)

    def __init__(self, field: str, item: Kind) -> None:
        super().__init__(field)
        self._item = item

    def within(self, before: Mapping[str, Any]) -> Kind:
        return DueAtOffset(FixedArray(before[self.fields[0]], self._item))
