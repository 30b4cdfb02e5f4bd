"""Which headers of a request and of its answer pass through the gateway (RFC 9110, 7.6.1)."""

from __future__ import annotations

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OURS_TO_SAY = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip"}
)


def first(headers: Headers, name: bytes) -> bytes:
    """The first value of `name` (lower case); empty when there is none."""
    return next((value for key, value in headers if key == name), b"")


def _named_by_connection(headers: Headers) -> set[bytes]:
    named = b",".join(value for name, value in headers if name == b"connection")
    return {name.strip().lower() for name in named.split(b",")}


def to_controller(headers: Headers, *, remote_address: str, chunked: bool) -> Headers:
    """A request's headers, with what any client could have made up about its origin replaced by what we know."""
    gone = _HOP_BY_HOP | _OURS_TO_SAY | _named_by_connection(headers) | {b"expect"}
    kept = [(name, value) for name, value in headers if name not in gone]
    kept += [
        (b"x-forwarded-for", remote_address.encode()),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", first(headers, b"host")),
        (b"connection", b"close"),
    ]
    if chunked:
        kept.append((b"transfer-encoding", b"chunked"))
    return kept


def to_client(headers: Headers, *, close: bool) -> Headers:
    """An answer's headers."""
    gone = _HOP_BY_HOP | _named_by_connection(headers)
    kept = [(name, value) for name, value in headers if name not in gone]
    if close:
        kept.append((b"connection", b"close"))
    return kept
