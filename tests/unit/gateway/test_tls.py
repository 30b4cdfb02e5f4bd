"""The gateway's certificate: made, kept, renewed, given; and every way of giving a bad one."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from frazil.gateway.addresses import local_addresses, local_names
from frazil.gateway.tls import ensure_certificates, server_context
from frazil.model.errors import InvalidInput
from frazil.settings import Settings
from frazil.trust.authority import Pair, issue, make_authority


@dataclass
class FixedClock:
    time: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", public_url="https://desk.example:8443")


def served(settings: Settings) -> x509.Certificate:
    return x509.load_pem_x509_certificate((settings.tls_dir / "gateway.pem").read_bytes())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_authority_and_a_certificate_are_made(settings: Settings) -> None:
    path = ensure_certificates(settings, clock=FixedClock(), owner_gid=os.getgid())
    assert path == settings.tls_dir / "gateway.pem"
    assert mode(path) == 0o640
    assert mode(settings.tls_dir / "ca.key") == 0o600
    assert mode(settings.tls_dir / "ca.pem") == 0o644
    assert sorted(p.name for p in settings.tls_dir.iterdir()) == ["ca.key", "ca.pem", "gateway.pem", "viewers.json"]
    authority = x509.load_pem_x509_certificate((settings.tls_dir / "ca.pem").read_bytes())
    certificate = served(settings)
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "desk.example"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "::1"} <= {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < timedelta(days=398)
    server_context(path)


def test_without_a_group_the_key_is_its_owners_alone(settings: Settings) -> None:
    assert mode(ensure_certificates(settings, clock=FixedClock(), owner_gid=None)) == 0o600


def test_nothing_changes_while_it_is_good(settings: Settings) -> None:
    ensure_certificates(settings, clock=FixedClock(), owner_gid=None)
    before = (settings.tls_dir / "gateway.pem").read_bytes()
    ensure_certificates(settings, clock=FixedClock(datetime(2030, 12, 1, tzinfo=UTC)), owner_gid=None)
    assert (settings.tls_dir / "gateway.pem").read_bytes() == before


def test_it_is_renewed_in_time_by_the_same_authority(settings: Settings) -> None:
    ensure_certificates(settings, clock=FixedClock(), owner_gid=None)
    first, authority = served(settings), (settings.tls_dir / "ca.pem").read_bytes()
    ensure_certificates(settings, clock=FixedClock(datetime(2031, 1, 10, tzinfo=UTC)), owner_gid=None)
    assert served(settings).serial_number != first.serial_number
    assert (settings.tls_dir / "ca.pem").read_bytes() == authority


def test_it_is_renewed_when_the_names_change(settings: Settings) -> None:
    ensure_certificates(settings, clock=FixedClock(), owner_gid=None)
    ensure_certificates(replace(settings, public_url="https://other.example"), clock=FixedClock(), owner_gid=None)
    names = served(settings).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "other.example" in names.get_values_for_type(x509.DNSName)
    assert "desk.example" not in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_a_damaged_certificate_is_made_again(settings: Settings, damage: bytes) -> None:
    path = ensure_certificates(settings, clock=FixedClock(), owner_gid=None)
    path.write_bytes(damage)
    server_context(ensure_certificates(settings, clock=FixedClock(), owner_gid=None))


def test_a_damaged_authority_is_named_not_replaced(settings: Settings) -> None:
    ensure_certificates(settings, clock=FixedClock(), owner_gid=None)
    (settings.tls_dir / "ca.key").write_bytes(make_authority(now=FixedClock().now(), host_name="x").key_pem)
    with pytest.raises(InvalidInput, match="is not the key of"):
        ensure_certificates(settings, clock=FixedClock(), owner_gid=None)


def test_browsers_trust_it_by_the_authority(settings: Settings) -> None:
    """A whole handshake in memory, with the name checked."""
    from frazil.runtime import SystemClock

    ensure_certificates(settings, clock=SystemClock(), owner_gid=None)
    client_context = ssl.create_default_context(cafile=settings.tls_dir / "ca.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(settings.tls_dir / "gateway.pem").wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname="desk.example")
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.version() == "TLSv1.3"
    assert client.selected_alpn_protocol() is None


def own_pair(directory: Path, *, now: datetime | None = None) -> tuple[Path, Path, Pair]:
    at = now or FixedClock().now()
    pair = issue(make_authority(now=at, host_name="theirs"), now=at, names=["desk.example"], addresses=[])
    certificate, key = directory / "theirs.pem", directory / "theirs.key"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)
    return certificate, key, pair


def test_a_pair_of_the_administrators_own_is_served(settings: Settings, tmp_path: Path) -> None:
    certificate, key, pair = own_pair(tmp_path)
    given = replace(settings, tls_certificate=certificate, tls_key=key)
    path = ensure_certificates(given, clock=FixedClock(), owner_gid=None)
    assert served(settings) == pair.certificate
    assert not (settings.tls_dir / "ca.key").exists()
    server_context(path)
    ensure_certificates(settings, clock=FixedClock(), owner_gid=None)  # Taken out of the settings again.
    assert served(settings) != pair.certificate


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("no certificate", "theirs.pem holds no certificate in PEM form"),
        ("no key", "theirs.key holds no private key in PEM form"),
        ("another key", "is not that of the first certificate"),
        ("locked key", "locked with a passphrase"),
        ("expired", "expired on 2029"),
        ("not yet", "valid only from"),
        ("missing", "can't be read: No such file"),
        ("directory", "can't be read: Is a directory"),
        ("half", "tls_key is missing"),
    ],
)
def test_a_bad_pair_is_named_and_changes_nothing(settings: Settings, tmp_path: Path, bad: str, words: str) -> None:
    ensure_certificates(settings, clock=FixedClock(), owner_gid=None)
    before = {p.name: p.read_bytes() for p in settings.tls_dir.iterdir()}
    now = {"expired": datetime(2028, 1, 1, tzinfo=UTC), "not yet": datetime(2032, 1, 1, tzinfo=UTC)}.get(bad)
    certificate, key, pair = own_pair(tmp_path, now=now)
    match bad:
        case "no certificate":
            certificate.write_bytes(pair.certificate.public_bytes(serialization.Encoding.DER))
        case "no key":
            key.write_bytes(b"nothing")
        case "another key":
            key.write_bytes(own_pair(tmp_path)[2].key_pem)
            certificate.write_bytes(pair.certificate_pem)
        case "locked key":
            lock = serialization.BestAvailableEncryption(b"secret")
            key.write_bytes(pair.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
        case "missing":
            certificate.unlink()
        case "directory":
            key.unlink()
            key.mkdir()
    given = replace(settings, tls_certificate=certificate, tls_key=None if bad == "half" else key)
    with pytest.raises(InvalidInput, match=words) as caught:
        ensure_certificates(given, clock=FixedClock(), owner_gid=None)
    assert caught.value.remedy
    assert {p.name: p.read_bytes() for p in settings.tls_dir.iterdir()} == before


def test_a_gateway_without_its_certificate_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"gateway\.pem"):
        server_context(tmp_path / "gateway.pem")


def test_addresses_of_this_machine_and_of_the_public_url() -> None:
    assert {"127.0.0.1", "::1", "192.0.2.7"} <= {str(a) for a in local_addresses("https://192.0.2.7:8443")}
    assert "192.0.2.7" not in local_names("https://192.0.2.7:8443")
    assert "desk.example" in local_names("https://Desk.Example")
    assert "localhost" in local_names("")
