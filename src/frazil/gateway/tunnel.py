"""HTTP CONNECT (RFC 9110, 9.3.6), as a native viewer's `proxy=` asks for it.

The target is no address but a session's id and any port: it says which desktop is meant and is no secret. Inside the
tunnel the viewer speaks TLS with this very gateway, and SPICE in it; its ticket is never outside of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_TARGET = re.compile(rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):[0-9]{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelRefused:
    """Why a tunnel can't be, as an HTTP status and a sentence."""

    status: int
    text: str

    def answer(self) -> bytes:
        """A whole response; the connection ends after it."""
        body = f"{self.text}\n".encode()
        reason = {400: b"Bad Request", 403: b"Forbidden"}[self.status]
        return (
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (self.status, reason, len(body), body)
        )


def session_of_target(target: bytes) -> str | TunnelRefused:
    """The session's id in a CONNECT request's target."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return TunnelRefused(
            status=403,
            text="This is no open proxy: it leads to the desktops of this Frazil only. Get a new viewer file.",
        )
    return found[1].decode()


def session_of_head(head: bytes, *, max_bytes: int) -> str | TunnelRefused:
    """The same for a whole request, from its first byte to the blank line that ends it."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=max_bytes)
    server.receive_data(head)
    try:
        request = server.next_event()
    except h11.RemoteProtocolError:
        request = None
    if not isinstance(request, h11.Request) or request.method != b"CONNECT":
        return TunnelRefused(status=400, text="This is not a proper CONNECT request.")
    if server.trailing_data[0]:
        return TunnelRefused(status=400, text="TLS begins only after the answer to CONNECT.")
    return session_of_target(request.target)
