"""How another machine becomes a host of an installation, and keeps its certificate fresh.

The server dials the controller's port for hosts (TLS, a WebSocket of JSON texts). The first exchange is on `JOIN_PATH`,
without a certificate of its own: the controller says which authority it is of (`Introduction`), the server looks
whether that is the one that its token names, and that the connection's certificate is of it; then it gives the token's
secret (`JoinRequest`) and gets its certificate (`Certified`). On `RENEW_PATH`, with the certificate that it has, it
asks for the next one (`RenewRequest`). What is refused is `NotCertified`, and the connection closes.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from frazil.model.errors import InvalidInput
from frazil.wire.base import Message
from frazil.wire.hostlink import FailureField

JOIN_PATH = "/join/v1"
RENEW_PATH = "/renew/v1"
SECRET_BYTES = 24
PIN_BYTES = 32


class Introduction(Message):
    """The authority's certificate in PEM."""

    type: Literal["introduction"] = "introduction"
    authority: str


class JoinRequest(Message):
    """`certificate_request` is in PEM. The same secret with the same key is answered again with the same host.

    `former_host_id`: which host the machine was when it was trusted; it is that one again.
    """

    type: Literal["join"] = "join"
    secret: str = Field(repr=False)
    host_name: str
    certificate_request: str
    former_host_id: str = ""


class RenewRequest(Message):
    type: Literal["renew"] = "renew"
    certificate_request: str


class Certified(Message):
    """`certificate` is in PEM, of the authority that was introduced.

    `controllers`: so many there are; each has a port of its own, counted up from the one that was dialled.
    """

    type: Literal["certified"] = "certified"
    installation_id: str
    host_id: str
    certificate: str
    controllers: int = 1


class NotCertified(Message):
    type: Literal["not-certified"] = "not-certified"
    failure: FailureField


ToJoiner = Annotated[Introduction | Certified | NotCertified, Field(discriminator="type")]
FromJoiner = Annotated[JoinRequest | RenewRequest, Field(discriminator="type")]
to_joiner: TypeAdapter[ToJoiner] = TypeAdapter(ToJoiner)
from_joiner: TypeAdapter[FromJoiner] = TypeAdapter(FromJoiner)


def token_of(secret: str, authority_sha256: bytes) -> str:
    """What an administrator carries to the new host: the secret, and which authority it is good with."""
    return f"{secret}.{base64.urlsafe_b64encode(authority_sha256).decode().rstrip('=')}"


def read_token(token: str) -> tuple[str, bytes]:
    """The secret and the authority's SHA-256. Raises InvalidInput for what is no token."""
    secret, _, pin = token.strip().partition(".")
    try:
        authority = base64.b64decode(f"{pin}===", altchars=b"-_", validate=False)
    except binascii.Error:
        authority = b""
    if not secret or len(authority) != PIN_BYTES:
        raise InvalidInput(
            "This is no token for a new host.", remedy="Copy all of the line that `frazil host invite` shows."
        )
    return secret, authority
