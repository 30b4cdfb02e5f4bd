"""A failure as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from frazil.model.desktop import Failure


def to_json(failure: Failure | None) -> dict[str, str] | None:
    if failure is None:
        return None
    return {"code": failure.code, "text": failure.text, "remedy": failure.remedy}


def from_json(value: Mapping[str, str] | None) -> Failure | None:
    return None if value is None else Failure(value["code"], value["text"], value.get("remedy", ""))
