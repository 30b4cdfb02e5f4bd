"""How much may be used, as fields in a form."""

from __future__ import annotations

from collections.abc import Mapping

from frazil.controller.portal.forms import read
from frazil.controller.portal.reader import Reader
from frazil.model.quota import ORDER
from frazil.wire.quota import QuotaChange

FIELDS: dict[str, str] = {what: f"quota_{what}" for what in ORDER}


def quota_of(form: Mapping[str, str], reader: Reader) -> QuotaChange:
    """What the fields say; an empty one limits nothing. Raises WrongForm."""
    values: dict[str, object] = {what: form.get(field, "").strip() or "0" for what, field in FIELDS.items()}
    return read(QuotaChange, values, reader, names=FIELDS)
