"""TLS between Frazil's machines: version 1.3, and a certificate of the installation's own authority at both ends."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from frazil.model.errors import InvalidInput, Refused
from frazil.trust.peers import Peer, key_sha256, peer_of


def listening(pair: Path, authority: Path, *, strangers: bool = False) -> ssl.SSLContext:
    """For who is dialled. `strangers`: such without a certificate come in, too; the caller looks which they are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL if strangers else ssl.CERT_REQUIRED
    return _with(context, pair, authority)


def dialing(pair: Path, authority: Path) -> ssl.SSLContext:
    """For who dials. What is at the other end is told by `known_peer`, not by a name of the network."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _with(context, pair, authority)


def stranger() -> ssl.SSLContext:
    """For who has no certificate yet, and looks by itself at what the other end shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


Connection = ssl.SSLObject | ssl.SSLSocket


def shown(connection: Connection) -> x509.Certificate | None:
    """The certificate of the other end; None where it showed none."""
    der = connection.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der) if der else None


def known_peer(connection: Connection) -> tuple[Peer, str]:
    """Who is at the other end of a connection that was made with a context of this module, and its key's SHA-256.

    Raises Refused when it showed no certificate, or one of nothing that Frazil knows.
    """
    certificate = shown(connection)
    if certificate is None:
        raise Refused("The other end has no certificate.")
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("The other end's certificate is of no key that Frazil makes.")
    return peer_of(certificate), key_sha256(key)


def _with(context: ssl.SSLContext, pair: Path, authority: Path) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(pair)
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as exc:
        raise InvalidInput(
            f"The certificate in {pair} can't be used with the authority in {authority}: {exc.strerror or exc}.",
            remedy="Start Frazil again as root on the controller's machine; let a host join again.",
        ) from exc
    return context
