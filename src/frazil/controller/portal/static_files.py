"""Static files. An address that carries its content's version may be kept for ever; any other is asked for again."""

from __future__ import annotations

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class VersionedFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        versioned = scope.get("query_string", b"").startswith(b"v=")
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        return answer
