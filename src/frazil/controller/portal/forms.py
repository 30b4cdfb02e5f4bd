"""Forms: what was typed becomes a request of `wire.rest`, and what is wrong with it becomes words by its field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from frazil.controller.portal.reader import Reader
from frazil.model.errors import InvalidInput
from frazil.wire import labels as label_wire
from frazil.wire import policy as wire

R = TypeVar("R", bound=BaseModel)


class WrongForm(Exception):
    """A form that can't be taken as it is. `wrong` is by the field's name in the page."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__(", ".join(sorted(wrong)))
        self.wrong = wrong


def read(
    kind: type[R],
    values: Mapping[str, object],
    reader: Reader,
    *,
    names: Mapping[str, str] | None = None,
    empty: Collection[str] = (),
) -> R:
    """A request of `kind` from what was typed; empty values count as not given, but of the fields that are in `empty`.

    `names` maps a request's field to its name in the page, where they differ. Raises WrongForm.
    """
    given = {name: value for name, value in values.items() if value not in ("", None) or name in empty}
    try:
        return kind.model_validate(given)
    except ValidationError as exc:
        raise WrongForm(explain(exc, reader, names or {})) from None


def explain(exc: ValidationError, reader: Reader, names: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, in words, by the field's name in the page. What was typed is not repeated."""
    _ = reader.gettext
    wrong: dict[str, str] = {}
    for error in exc.errors(include_url=False, include_input=False):
        field = next((step for step in reversed(error["loc"]) if isinstance(step, str)), "")
        context = error.get("ctx", {})
        match error["type"]:
            case "missing":
                text = _("This is needed.")
            case "string_pattern_mismatch" | label_wire.LABELS_WRONG:
                text = _(
                    "Use small letters, digits, dots, dashes and underscores; begin and end with a letter or digit."
                )
            case "string_too_short" | "too_short":
                n = int(context["min_length"])
                text = reader.ngettext("At least %(num)s character.", "At least %(num)s characters.", n) % {"num": n}
            case "too_long" if context.get("field_type") == "List":
                n = int(context["max_length"])
                text = reader.ngettext("At most %(num)s line.", "At most %(num)s lines.", n) % {"num": n}
            case "string_too_long" | "too_long":
                n = int(context["max_length"])
                text = reader.ngettext("At most %(num)s character.", "At most %(num)s characters.", n) % {"num": n}
            case "int_parsing" | "int_type" | "int_from_float":
                text = _("Write a whole number.")
            case "greater_than_equal":
                text = _("At least %(limit)s.") % {"limit": reader.number(context["ge"])}
            case "less_than_equal":
                text = _("At most %(limit)s.") % {"limit": reader.number(context["le"])}
            case wire.USB_FILTER_WRONG:
                text = _("A rule is class,vendor,product,version,allow; rules are joined by |, without spaces.")
            case _:
                text = _("This can't be right.")
        wrong.setdefault(names.get(field, field), text)
    return wrong


def version_read(form: Mapping[str, str]) -> int:
    """Which version the page showed: a change by someone else since then is not overwritten. Raises InvalidInput."""
    if not form.get("version", "").isdecimal():
        raise InvalidInput("The form does not say which version it changes.", field="version")
    return int(form["version"])


def passwords_agree(form: Mapping[str, str], reader: Reader) -> None:
    """Raise WrongForm unless the password was typed the same twice."""
    if form.get("password", "") != form.get("again", ""):
        raise WrongForm({"again": reader.gettext("The two passwords are not the same.")})
