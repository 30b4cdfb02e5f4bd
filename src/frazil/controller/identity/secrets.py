"""How secrets are kept: as digests, since they are random and long enough not to be guessed from one."""

from __future__ import annotations

import base64
import hashlib
import hmac


def digest(secret: str) -> str:
    """What the store keeps of a cookie, a token or a ticket: SHA-256, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def csrf_of(cookie: str) -> str:
    """The CSRF token of a login: derived from its cookie, so that neither is in the store."""
    mac = hmac.new(cookie.encode(), b"frazil csrf token", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:24]).decode()
