"""By what a native viewer can tell the gateway's certificate."""

from __future__ import annotations

import ipaddress
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from frazil.gateway.tls import ensure_certificates
from frazil.gateway.viewer_trust import viewer_trust
from frazil.runtime import SystemClock
from frazil.settings import Settings
from frazil.trust.authority import issue, make_authority
from frazil.wire.viewer_trust import ViewerTrust

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CN, ORG, C, SERIAL = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME, NameOID.SERIAL_NUMBER


def certificate(
    *subject: tuple[x509.ObjectIdentifier, str], names: tuple[str, ...] = (), by_itself: bool = False
) -> x509.Certificate:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    issuer = name if by_itself else x509.Name([x509.NameAttribute(CN, "Some authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(key if by_itself else other, hashes.SHA256())


def test_our_own_authority_goes_with_its_subject() -> None:
    authority = make_authority(now=NOW, host_name="desk")
    pair = issue(authority, now=NOW, names=["desk.example"], addresses=[ipaddress.ip_address("::1")])
    trust = viewer_trust([pair.certificate, authority.certificate])
    assert trust == ViewerTrust(ca_pem=authority.certificate_pem.decode(), host_subject="CN=desk.example")


def test_an_authority_that_is_not_in_the_chain_is_left_to_the_system() -> None:
    trust = viewer_trust([certificate((CN, "Desk.example"), names=("desk.EXAMPLE", "b.example"))])
    assert trust == ViewerTrust(ca_pem="", host_subject="CN=Desk.example")


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        ((), ("desk.example",)),  # any certificate with an empty subject would do
        (((ORG, "Example Ltd"),), ("desk.example",)),
        (((CN, "desk.example"),), ("other.example",)),
        (((CN, "desk.example"),), ()),
        (((CN, "desk.example"), (CN, "b.example")), ("desk.example", "b.example")),
    ],
)
def test_a_subject_that_others_may_have_too_is_none(
    subject: tuple[tuple[x509.ObjectIdentifier, str], ...], names: tuple[str, ...]
) -> None:
    assert viewer_trust([certificate(*subject, names=names)]).host_subject is None


def test_a_certificate_that_is_its_own_authority_is_pinned() -> None:
    own = certificate((ORG, "Example Ltd"), by_itself=True)
    trust = viewer_trust([own])
    assert trust.host_subject == "O=Example Ltd"
    assert trust.ca_pem == own.public_bytes(serialization.Encoding.PEM).decode()


def test_a_subject_is_written_as_spice_reads_it() -> None:
    own = certificate((C, "HU"), (ORG, 'A, B & C = "D" \\ Ltd'), (SERIAL, "7"), (CN, "x"), by_itself=True)
    assert viewer_trust([own]).host_subject == 'C=HU,O=A\\, B & C = "D" \\\\ Ltd,2.5.4.5=7,CN=x'


def test_it_is_written_for_everybody_beside_the_certificate(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state")
    ensure_certificates(settings, clock=SystemClock(), owner_gid=os.getgid())
    file = settings.viewer_trust_file
    trust = ViewerTrust.model_validate_json(file.read_bytes())
    assert trust.ca_pem == (settings.tls_dir / "ca.pem").read_text()
    assert trust.host_subject is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    file.unlink()
    ensure_certificates(settings, clock=SystemClock(), owner_gid=os.getgid())
    assert ViewerTrust.model_validate_json(file.read_bytes()) == trust
