"""Who is at the other end of a connection between Frazil's machines: a certificate says it, and an authority vouches.

The authority is the installation's own and no browser's: whoever it has certified is a part of Frazil. What a
certificate is of is a URI in it::

    frazil:INSTALLATION:controller
    frazil:INSTALLATION:gateway
    frazil:INSTALLATION:host:HOST       the server on that host
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from frazil.model.errors import InvalidInput, Refused
from frazil.trust.authority import Pair, make_authority, sign

PEER_DAYS = 90
RENEW_BEFORE = timedelta(days=30)
REQUEST_MAX_BYTES = 8192

Role = Literal["controller", "gateway", "host"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A part of one installation. `host_id` is empty unless it is a host's server."""

    installation_id: str
    role: Role
    host_id: str = ""

    @property
    def uri(self) -> str:
        last = [self.host_id] if self.role == "host" else []
        return ":".join(["frazil", self.installation_id, self.role, *last])

    def __str__(self) -> str:
        return f"host {self.host_id}" if self.role == "host" else self.role


def make_peers_authority(*, now: datetime) -> Pair:
    """The authority of one installation's machines."""
    return make_authority(now=now, host_name="(hosts)")


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError for anything but such a key."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("it is no elliptic-curve key")
    return key


def request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Asks for a certificate, in PEM. What it is to be of, the authority knows."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "frazil")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def requested_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The key that a request is for, and whose holder signed it. Raises InvalidInput."""
    try:
        if len(pem) > REQUEST_MAX_BYTES:
            raise ValueError("it is too long")
        asked = x509.load_pem_x509_csr(pem)
        key = asked.public_key()
        if not asked.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("its key is of no use")
    except (ValueError, TypeError, InvalidSignature) as exc:
        raise InvalidInput(f"The request for a certificate can't be taken: {exc}.") from exc
    return key


def certify(authority: Pair, key: ec.EllipticCurvePublicKey, peer: Peer, *, now: datetime) -> x509.Certificate:
    """The holder of `key` is `peer`, for `PEER_DAYS`."""
    return sign(
        authority,
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(peer)[:64])]),
        key,
        now=now,
        days=PEER_DAYS,
        alternatives=[x509.UniformResourceIdentifier(peer.uri)],
        usages=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    )


def peer_of(certificate: x509.Certificate) -> Peer:
    """What a certificate is of; that an authority vouches for it is checked elsewhere. Raises Refused."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError) as exc:
        raise Refused("The certificate does not say what it is of.") from exc
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        match uri.split(":"):
            case ["frazil", installation_id, "host", host_id] if host_id:
                return Peer(installation_id, "host", host_id)
            case ["frazil", installation_id, role] if role in get_args(Role) and role != "host":
                return Peer(installation_id, role)  # type: ignore[arg-type]
    raise Refused("The certificate is of nothing that Frazil knows.")


def vouches(authority: x509.Certificate, certificate: x509.Certificate, *, now: datetime) -> bool:
    """Whether the certificate is of this authority and valid now."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def key_sha256(key: ec.EllipticCurvePublicKey) -> str:
    """64 hexadecimal digits that tell one key from all others: SHA-256 of its SubjectPublicKeyInfo (RFC 5280)."""
    return _sha256(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hex()


def certificate_sha256(certificate: x509.Certificate) -> bytes:
    """32 bytes that tell one certificate from all others."""
    return certificate.fingerprint(hashes.SHA256())


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()
