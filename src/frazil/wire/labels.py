"""Labels (`model.labels`) in REST bodies."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from frazil.model import labels
from frazil.model.errors import InvalidInput

LABELS_WRONG = "labels"
"""The type of pydantic's error for labels that can't be."""


def _wrong(exc: InvalidInput) -> PydanticCustomError:
    return PydanticCustomError(LABELS_WRONG, "{why}", {"why": f"{exc.what} {exc.remedy}".rstrip(".")})


def _checked(given: dict[str, str]) -> dict[str, str]:
    try:
        labels.check(given)
    except InvalidInput as exc:
        raise _wrong(exc) from exc
    return given


def _checked_key(given: str) -> str:
    try:
        if given:
            labels.check_key(given)
    except InvalidInput as exc:
        raise _wrong(exc) from exc
    return given


LabelKey = Annotated[
    str, AfterValidator(_checked_key), WithJsonSchema({"type": "string", "pattern": f"^(?:{labels.KEY})?$"})
]
"""A label's name; empty for none."""

LabelsField = Annotated[
    dict[str, str],
    AfterValidator(_checked),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{labels.KEY}$"},
            "additionalProperties": {"type": "string", "pattern": f"^{labels.VALUE}$"},
            "maxProperties": labels.MOST,
        }
    ),
]
"""By name; at most `model.labels.MOST`."""
