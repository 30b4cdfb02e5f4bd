"""Messages declared as classes: `@record` turns annotations into an encoder and a decoder.

    @record
    class SetAck:
        generation: U32
        window: U32

    decode(SetAck, body).window
    encode(SetAck(generation=1, window=20))

A field is one of the aliases of `fields`, another record, or `Annotated[…]` with a kind; `kind_of` makes the kind of a
record, for arrays of it and offsets to it. What a newer peer appends behind the declared fields is not looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

from frazil.model.errors import LocalProtocolError
from frazil.spice.cursor import Cursor
from frazil.spice.dependent_fields import Dependent
from frazil.spice.fields import TYPE_NAMES, ArrayCountedBy, Buffer, Kind, Number, Truth, Writer

T = TypeVar("T")

_kinds: dict[type, RecordKind] = {}


class RecordKind:
    """A whole record as a field. Neighbouring numbers are read and written in one step."""

    __slots__ = ("_class", "_steps", "kinds", "least_bytes")

    def __init__(self, record_class: type, kinds: Mapping[str, Kind]) -> None:
        self._class = record_class
        self.kinds = kinds
        self._steps = _fuse(kinds)
        self.least_bytes = sum(kind.least_bytes for kind in kinds.values())

    def read(self, cursor: Cursor, before: Mapping[str, Any]) -> Any:
        values: dict[str, Any] = {}
        for step in self._steps:
            step.read(cursor, values)
        return self._class(**values)

    def write(self, out: Writer, value: Any) -> None:
        if type(value) is not self._class:
            raise LocalProtocolError(f"A {self._class.__name__} is due here, not a {type(value).__name__}.")
        for step in self._steps:
            step.write(out, value)


class _Numbers:
    """Neighbouring numbers."""

    __slots__ = ("_kinds", "_names", "_struct", "_truths")

    def __init__(self, named: list[tuple[str, Number]]) -> None:
        self._names = [name for name, _ in named]
        self._kinds = [kind for _, kind in named]
        self._truths = [name for name, kind in named if isinstance(kind, Truth)]
        self._struct = struct.Struct("<" + "".join(kind.code for kind in self._kinds))

    def read(self, cursor: Cursor, values: dict[str, Any]) -> None:
        values.update(zip(self._names, self._struct.unpack(cursor.view(self._struct.size)), strict=True))
        for name in self._truths:
            values[name] = values[name] != 0

    def write(self, out: Writer, record: Any) -> None:
        values = [getattr(record, name) for name in self._names]
        try:
            out.data += self._struct.pack(*values)
        except struct.error as exc:
            told = ", ".join(
                f"{name}={value} ({TYPE_NAMES[kind.code]})"
                for name, value, kind in zip(self._names, values, self._kinds, strict=True)
            )
            raise LocalProtocolError(f"A {type(record).__name__} has a value that does not fit: {told}.") from exc


class _Single:
    """One field that is no plain number."""

    __slots__ = ("_kind", "_name")

    def __init__(self, name: str, kind: Kind) -> None:
        self._name = name
        self._kind = kind

    def read(self, cursor: Cursor, values: dict[str, Any]) -> None:
        values[self._name] = self._kind.read(cursor, values)

    def write(self, out: Writer, record: Any) -> None:
        value = getattr(record, self._name)
        if isinstance(self._kind, ArrayCountedBy) and getattr(record, self._kind.field) != len(value):
            raise LocalProtocolError(f"{self._kind.field} does not count {self._name} in a {type(record).__name__}.")
        kind: Kind = self._kind
        while isinstance(kind, Dependent):
            try:
                kind = kind.within({name: getattr(record, name) for name in kind.fields})
            except ValueError as exc:
                raise LocalProtocolError(str(exc)) from exc
        kind.write(out, value)


def _fuse(kinds: Mapping[str, Kind]) -> list[_Numbers | _Single]:
    steps: list[_Numbers | _Single] = []
    run: list[tuple[str, Number]] = []
    for name, kind in kinds.items():
        if isinstance(kind, Number):
            run.append((name, kind))
            continue
        if run:
            steps.append(_Numbers(run))
            run = []
        steps.append(_Single(name, kind))
    if run:
        steps.append(_Numbers(run))
    return steps


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(declared: type[T]) -> type[T]:
    """Make `declared` a frozen, slotted, keyword-only dataclass that `encode` and `decode` know."""
    made = dataclass(frozen=True, slots=True, kw_only=True)(declared)
    hints = get_type_hints(made, include_extras=True)
    _kinds[made] = RecordKind(made, {field.name: _kind_of(hints[field.name]) for field in fields(made)})  # type: ignore[arg-type]
    return made


def _kind_of(hint: Any) -> Kind:
    if get_origin(hint) is Annotated:
        kind: Kind = get_args(hint)[1]
        return kind
    return kind_of(hint)


def kind_of(record_class: type) -> RecordKind:
    """The kind of a field that holds a record, for arrays and offsets of it."""
    return _kinds[record_class]


def decode(record_class: type[T], body: Buffer | bytearray) -> T:
    """Read a record from the beginning of `body`. Raises RemoteProtocolError. Bytes in it are views into `body`."""
    value: T = _kinds[record_class].read(Cursor(body), {})
    return value


def encode(value: object) -> bytes:
    """The body of a message. Raises LocalProtocolError when a value does not fit its field."""
    out = Writer()
    _kinds[type(value)].write(out, value)
    return out.finish()
