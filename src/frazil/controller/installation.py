"""The installation's file, as the controller and its backup read it."""

from __future__ import annotations

import json
from pathlib import Path

from frazil.model.errors import InvalidInput


def read_installation_id(path: Path) -> str:
    """Who this installation is; hosts of another one are refused."""
    remedy = "`frazil up` makes it; check that the controller's user may read it."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["installation_id"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(f"The installation's file {path} can't be read: {exc}.", remedy=remedy) from exc
    if not isinstance(found, str) or not found:
        raise InvalidInput(f"The installation's file {path} has no installation_id.", remedy=remedy)
    return found
