"""The password exchange: RSA-OAEP with SHA-1 over a 1024-bit key, as every SPICE client and server does it.

The key size and hash are the protocol's, not a choice: `SPICE_TICKET_KEY_PAIR_LENGTH` is 1024. The exchange therefore
runs only inside TLS, and what it carries is a ticket that is good once.
"""

from __future__ import annotations

from enum import IntEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from frazil.model.errors import LocalProtocolError, RemoteProtocolError

KEY_BITS = 1024
ENCRYPTED_BYTES = KEY_BITS // 8
PASSWORD_MAX_BYTES = 60
"""`SPICE_MAX_PASSWORD_LENGTH`; the block itself would hold 86."""


class Mechanism(IntEnum):
    """`SPICE_COMMON_CAP_AUTH_*`: what a client names before its password."""

    SPICE = 1
    SASL = 2


def _oaep() -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303


class TicketKey:
    """A server's key pair. One serves a whole process: nothing in the protocol ties a key to a link."""

    __slots__ = ("_private", "public_der")

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        self.public_der = self._private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def decrypt(self, block: bytes) -> bytes:
        """The password in an encrypted block of 128 bytes, without its closing NUL.

        Raises RemoteProtocolError when the block was not made with this key, or holds no password.
        """
        if len(block) != ENCRYPTED_BYTES:
            raise RemoteProtocolError(f"An encrypted password has {ENCRYPTED_BYTES} bytes, not {len(block)}.")
        try:
            plain = self._private.decrypt(block, _oaep())
        except ValueError as exc:
            raise RemoteProtocolError("The encrypted password was not made with this server's key.") from exc
        password, nul, _ = plain.partition(b"\0")
        if not nul or len(password) > PASSWORD_MAX_BYTES:
            raise RemoteProtocolError(f"A password ends with NUL after at most {PASSWORD_MAX_BYTES} bytes.")
        return password


def encrypt_password(public_der: bytes, password: bytes) -> bytes:
    """The 128 bytes that carry `password` to the server whose link reply had the key `public_der`."""
    if len(password) > PASSWORD_MAX_BYTES or b"\0" in password:
        raise LocalProtocolError(f"A SPICE password has at most {PASSWORD_MAX_BYTES} bytes and no NUL.")
    try:
        key = serialization.load_der_public_key(public_der)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise RemoteProtocolError("The server's link reply holds no public key.") from exc
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BITS:
        raise RemoteProtocolError(f"The server's link reply holds no RSA key of {KEY_BITS} bits.")
    try:
        return key.encrypt(password + b"\0", _oaep())
    except ValueError as exc:
        raise RemoteProtocolError("The server's link reply holds a key that nothing can be encrypted with.") from exc
