"""How a native viewer can tell the gateway's certificate: by its subject, under one authority.

spice-gtk reads the subject as ``KEY=value`` parts joined by commas, with a backslash before a backslash or comma in a
value, and compares it with the certificate's, part by part, in the certificate's own order (spice-common:
`common/ssl_verify.c`). It looks at no other name then. So a subject is given only where it is unmistakable.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from frazil.wire.viewer_trust import ViewerTrust

_SHORT = {
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
}
"""OpenSSL's short names; for other attributes it takes the dotted number."""


def viewer_trust(chain: Sequence[x509.Certificate]) -> ViewerTrust:
    """`chain` is what the gateway serves, its own certificate first; the authority may be at its end or not there."""
    leaf = chain[0]
    root = next((one for one in chain if _signed_by_itself(one)), None)
    ca_pem = root.public_bytes(serialization.Encoding.PEM).decode() if root is not None else ""
    unmistakable = root == leaf or _common_name(leaf) in _names(leaf)
    return ViewerTrust(ca_pem=ca_pem, host_subject=_subject(leaf) if unmistakable else None)


def _subject(certificate: x509.Certificate) -> str | None:
    parts = []
    for group in certificate.subject.rdns:
        attributes = list(group)
        if len(attributes) != 1 or not isinstance(attributes[0].value, str) or not attributes[0].value:
            return None  # spice-gtk has no way to write it
        key = _SHORT.get(attributes[0].oid, attributes[0].oid.dotted_string)
        value = attributes[0].value.replace("\\", "\\\\").replace(",", "\\,")
        parts.append(f"{key}={value}")
    return ",".join(parts) or None


def _common_name(certificate: x509.Certificate) -> str | None:
    """The only one; authorities check that it is one of the names that they vouch for (CA/B Forum, 7.1.4.3)."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value).lower() if len(found) == 1 else None


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return {name.lower() for name in names.get_values_for_type(x509.DNSName)} | addresses


def _signed_by_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
