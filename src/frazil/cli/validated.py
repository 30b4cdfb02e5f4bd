"""Bodies made from a command's options: what does not fit is said in words, with the option's name."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from frazil.model.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)


def valid(kind: type[M], /, **values: object) -> M:
    """`kind` made of `values`; those that are None are left at their default. Raises InvalidInput."""
    try:
        return kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or kind.__name__
        if first["type"] == "string_pattern_mismatch":  # the only pattern of a body is that of names
            raise InvalidInput(
                f"{str(values.get(field, ''))[:64]!r} can't be a {field}.",
                remedy="Take lower-case letters, digits, dots, dashes and underscores, with a letter or digit first "
                "and last; at most 64 of them.",
                field=field,
            ) from exc
        raise InvalidInput(f"{field}: {first['msg'][0].lower()}{first['msg'][1:]}.", field=field) from exc
