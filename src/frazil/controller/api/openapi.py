"""Writing the API's reference: ``python -m frazil.controller.api.openapi`` → docs/reference/openapi.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fastapi.openapi.utils import get_openapi

from frazil.controller.api import app as api_app
from frazil.wire.rest import Problem

FILE = Path("docs/reference/openapi.json")


def text() -> str:
    """The document, always the same for the same code."""
    app = api_app.bare()
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=_ABOUT, routes=app.routes
    )
    schemas = document["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            # Every refusal is a problem document; the framework's own form is never sent.
            operation["responses"].pop("422", None)
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


_ABOUT = (
    "Errors are problem documents (RFC 9457): `type` is stable, `remedy` is the way out. Programs send an API token "
    "(`Authorization: Bearer frz_…`). Pages send the login cookie and, with each unsafe request, its CSRF token in "
    "`X-CSRF-Token`. Things are named by id or by name."
)


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
