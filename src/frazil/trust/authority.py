"""Frazil's own certificate authorities and what they issue for people's browsers. Values in, PEM out; no files here."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
"""Browsers refuse server certificates that are valid for longer than 398 days."""
RENEW_BEFORE = timedelta(days=30)
_SLACK = timedelta(hours=1)
"""Clocks differ: a certificate is valid from a little before it was made."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return key_pem(self.key)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as it is kept in a file."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_authority(*, now: datetime, host_name: str) -> Pair:
    """A new authority, named after the machine, so that several can be told apart in a browser's list."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Frazil CA {host_name}"[:64])])
    certificate = (
        _builder(name, name, key.public_key(), now=now, days=AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def issue(authority: Pair, *, now: datetime, names: Sequence[str], addresses: Sequence[Address]) -> Pair:
    """A server certificate for exactly these names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(address) for address in addresses]
    certificate = sign(
        authority,
        subject,
        key.public_key(),
        now=now,
        days=SERVER_DAYS,
        alternatives=alternatives,
        usages=[ExtendedKeyUsageOID.SERVER_AUTH],
    )
    return Pair(certificate, key)


def sign(
    authority: Pair,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    now: datetime,
    days: int,
    alternatives: Sequence[x509.GeneralName],
    usages: Sequence[x509.ObjectIdentifier],
) -> x509.Certificate:
    """A certificate of the authority's for `key`, which is not an authority itself."""
    issuer_key = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(subject, authority.certificate.subject, key, now=now, days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def serves(
    certificate: x509.Certificate,
    authority: x509.Certificate,
    *,
    now: datetime,
    names: Sequence[str],
    addresses: Sequence[Address],
) -> bool:
    """Whether `certificate` is of this authority, for exactly these names, and good for a while yet."""
    try:
        certificate.verify_directly_issued_by(authority)
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        lasts(certificate, now=now)
        and set(alternatives.get_values_for_type(x509.DNSName)) == set(names)
        and set(alternatives.get_values_for_type(x509.IPAddress)) == set(addresses)
    )


def lasts(certificate: x509.Certificate, *, now: datetime) -> bool:
    """Whether it is valid now and for `RENEW_BEFORE` more."""
    return certificate.not_valid_before_utc <= now and now + RENEW_BEFORE <= certificate.not_valid_after_utc


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
