"""The portal's address as people reach it."""

from __future__ import annotations

import socket

from frazil.settings import Settings

ANY = ("", "0.0.0.0", "::", "[::]")


def portal_url(settings: Settings) -> str:
    """`public_url`, else this machine's own address and the port that it listens on."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    address, _, port = settings.listen.rpartition(":")
    host = own_address() if address in ANY else address
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"https://{host}" + ("" if port == "443" else f":{port}")


def own_address() -> str:
    """The address that this machine uses towards others; localhost when it has no network. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737): only the route is looked up
            return str(probe.getsockname()[0])
        except OSError:
            return "localhost"
