"""Headers that every page carries, and the check that a form was sent from our own pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frazil.model.errors import Refused

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; connect-src 'self' wss:; img-src 'self' data: blob:; media-src blob:; "
    "style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


class SecurityHeaders:
    """ASGI middleware: adds `HEADERS` to each HTTP answer that does not say otherwise itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def check_same_origin(headers: Headers) -> None:
    """Raise Refused when a browser says that another site sent this form (Fetch Metadata; Origin, RFC 6454).

    It stands before the CSRF token, and alone on pages where nobody is signed in yet. Programs that send neither
    header pass: they carry no cookie that another site could abuse.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    same = site in (None, "same-origin", "none")
    if same and site is None and origin is not None:
        same = urlsplit(origin).netloc == (headers.get("x-forwarded-host") or headers.get("host"))
    if not same:
        raise Refused("This form was sent from another site.", remedy="Open the page here and send it again.")


def safe_target(path: str) -> str:
    """`path` if it is one of our own, else the portal. Keeps a link from sending people elsewhere after sign-in."""
    plain = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable() and " " not in path
    return path if plain and not path.startswith(("/sign-in", "/setup", "/api/")) else "/"
