"""Which installation this host is of, and which of its hosts this is."""

from __future__ import annotations

import json
from dataclasses import dataclass

from frazil.model.errors import InvalidInput
from frazil.settings import Settings


@dataclass(frozen=True, slots=True)
class Identity:
    """Which installation this host is of, and which of its hosts this is."""

    installation_id: str
    host_id: str

    @classmethod
    def of(cls, settings: Settings) -> Identity:
        """As `frazil up` wrote it. Raises InvalidInput when it is not there."""
        try:
            given = json.loads(settings.installation_file.read_text(encoding="utf-8"))
            return cls(installation_id=given["installation_id"], host_id=given["host_id"])
        except (OSError, ValueError, KeyError) as exc:
            raise InvalidInput(
                f"{settings.installation_file} can't be used: {exc}.",
                remedy="`frazil up` makes it at its first start; on another machine, `frazil server --join` does.",
            ) from exc
