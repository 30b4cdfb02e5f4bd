"""The gateway's certificate on disk.

::

    tls_dir/                0755
    tls_dir/ca.pem          0644  Frazil's own authority, for people and programs to trust
    tls_dir/ca.key          0600  root's alone
    tls_dir/gateway.pem     0640  what the gateway serves: certificate, chain and key in one file, group of the gateway
    tls_dir/viewers.json    0644  how a native viewer can tell that certificate (`viewer_trust`), for the controller

`ensure_certificates` runs as root before the gateway starts, and twice a day, and leaves `gateway.pem` there: issued by
our authority, or a copy of the administrator's own pair once that was looked over. Certificate and key are in one
file, so that a crash can't leave one of an old pair beside one of a new. The gateway itself, unprivileged, only reads.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from frazil.gateway.addresses import local_addresses, local_names
from frazil.gateway.viewer_trust import viewer_trust
from frazil.model.clock import Clock
from frazil.model.errors import InvalidInput
from frazil.settings import Settings
from frazil.trust.authority import Pair, issue, lasts, make_authority, serves
from frazil.whole_file import write_whole

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca.key"
SERVED_FILE = "gateway.pem"
LOOK_EVERY_S = 60.0

log = structlog.get_logger()


def ensure_certificates(settings: Settings, *, clock: Clock, owner_gid: int | None) -> Path:
    """Make sure that `tls_dir/gateway.pem` is good and `viewers.json` fits it, and return the former's path.

    Called as root before each start of the gateway. The file is given to the group `owner_gid` (0640), or kept for its
    owner alone (0600) when that is None. Raises InvalidInput, and changes nothing, when the administrator's own pair is
    of no use.
    """
    served = settings.tls_dir / SERVED_FILE
    mode = 0o600 if owner_gid is None else 0o640
    if settings.tls_certificate is not None or settings.tls_key is not None:
        content = _given_pair(settings, clock=clock)
        settings.tls_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_whole(served, content, mode=mode, gid=owner_gid)
        _tell_viewers(settings, content)
        return served
    settings.tls_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    authority = _own_authority(settings.tls_dir, clock=clock)
    names, addresses = local_names(settings.public_url), local_addresses(settings.public_url)
    current = _served_certificate(served)
    if current is None or not serves(current, authority.certificate, now=clock.now(), names=names, addresses=addresses):
        pair = issue(authority, now=clock.now(), names=names, addresses=addresses)
        content = pair.certificate_pem + authority.certificate_pem + pair.key_pem
        write_whole(served, content, mode=mode, gid=owner_gid)
    else:
        if owner_gid is not None:
            os.chown(served, -1, owner_gid)
        served.chmod(mode)
    _tell_viewers(settings, served.read_bytes())
    return served


def server_context(served: Path) -> ssl.SSLContext:
    """TLS 1.2 and later with the pair in `served`. Raises InvalidInput naming the file when it can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(served)
    except (OSError, ssl.SSLError) as exc:
        raise InvalidInput(
            f"The gateway can't use the certificate in {served}: {exc.strerror or exc}.",
            remedy="Start Frazil again as root: it looks after this file before the gateway starts.",
        ) from exc
    return context


class ServedCertificate:
    """What clients are shown, out of a file that may be replaced. Raises InvalidInput when it can't be used.

    `subject` is what a native viewer compares it with; empty where it can't be told by that.
    """

    def __init__(self, served: Path) -> None:
        self._served = served
        self._known = _version(served)
        self.context = server_context(served)
        self.subject = _subject(served)

    async def follow(self) -> None:
        """Show what the file holds, whenever that is another one, until cancelled. Open links stay."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = _version(self._served)
            if now is None or now == self._known:
                continue
            self._known = now
            try:
                server_context(self._served)  # a context that could not take it all would be left with half of it
                subject = _subject(self._served)
                self.context.load_cert_chain(self._served)
            except (InvalidInput, OSError, ValueError) as exc:
                log.error("gateway.certificate-of-no-use", why=str(exc))
            else:
                self.subject = subject
                log.info("gateway.certificate-renewed", file=str(self._served))


def _subject(served: Path) -> str:
    return viewer_trust(x509.load_pem_x509_certificates(served.read_bytes())).host_subject or ""


def _version(served: Path) -> tuple[int, int] | None:
    try:
        about = served.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def _tell_viewers(settings: Settings, served: bytes) -> None:
    trust = viewer_trust(x509.load_pem_x509_certificates(served))
    write_whole(settings.viewer_trust_file, trust.model_dump_json().encode(), mode=0o644)


def _own_authority(tls_dir: Path, *, clock: Clock) -> Pair:
    certificate_file, key_file = tls_dir / CA_FILE, tls_dir / CA_KEY_FILE
    remedy = (
        f"Remove {certificate_file} and {key_file} to have a new authority made; browsers must then trust that one."
    )
    if certificate_file.exists() and key_file.exists():
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as exc:
            raise InvalidInput(f"Frazil's own authority in {tls_dir} can't be read: {exc}.", remedy=remedy) from exc
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise InvalidInput(f"{key_file} is not the key of {certificate_file}.", remedy=remedy)
        if lasts(certificate, now=clock.now()):
            return Pair(certificate, key)
    authority = make_authority(now=clock.now(), host_name=socket.gethostname())
    # The key first: without its certificate it is made again, and nothing was issued by it yet.
    write_whole(key_file, authority.key_pem)
    certificate_file.unlink(missing_ok=True)
    write_whole(certificate_file, authority.certificate_pem, mode=0o644)
    return authority


def _served_certificate(served: Path) -> x509.Certificate | None:
    """The first certificate in the file, when its key is there and fits."""
    try:
        content = served.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, password=None)
    except (OSError, ValueError, TypeError):
        return None
    return certificate if key.public_key() == certificate.public_key() else None


def _given_pair(settings: Settings, *, clock: Clock) -> bytes:
    """The administrator's own certificate, chain and key, looked over."""
    certificate_file, key_file = settings.tls_certificate, settings.tls_key
    if certificate_file is None or key_file is None:
        missing = "tls_certificate" if certificate_file is None else "tls_key"
        raise InvalidInput(
            f"Only one of tls_certificate and tls_key is set; {missing} is missing.",
            remedy="Set both, or neither to use Frazil's own authority.",
            field=missing,
        )
    certificate_pem = _read(certificate_file, field="tls_certificate")
    key_pem = _read(key_file, field="tls_key")
    try:
        chain = x509.load_pem_x509_certificates(certificate_pem)
    except ValueError as exc:
        raise InvalidInput(
            f"{certificate_file} holds no certificate in PEM form.",
            remedy="It must begin with -----BEGIN CERTIFICATE-----. Turn a DER file into PEM with: "
            f"openssl x509 -inform der -in {certificate_file} -out certificate.pem",
            field="tls_certificate",
        ) from exc
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except TypeError as exc:
        raise InvalidInput(
            f"The key in {key_file} is locked with a passphrase.",
            remedy=f"Write it without one: openssl pkey -in {key_file} -out unlocked.key",
            field="tls_key",
        ) from exc
    except ValueError as exc:
        raise InvalidInput(
            f"{key_file} holds no private key in PEM form.",
            remedy="It must begin with -----BEGIN PRIVATE KEY----- or another line of that kind.",
            field="tls_key",
        ) from exc
    leaf = chain[0]
    if key.public_key() != leaf.public_key():
        raise InvalidInput(
            f"The key in {key_file} is not that of the first certificate in {certificate_file}.",
            remedy="Give the key that the certificate was requested with; the server's certificate comes first, "
            "the intermediate ones after it.",
            field="tls_key",
        )
    now = clock.now()
    if now >= leaf.not_valid_after_utc:
        raise InvalidInput(
            f"The certificate in {certificate_file} expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.",
            remedy="Renew it, or take tls_certificate and tls_key out of the settings to use Frazil's own authority.",
            field="tls_certificate",
        )
    if now < leaf.not_valid_before_utc:
        raise InvalidInput(
            f"The certificate in {certificate_file} is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.",
            remedy="Check this machine's clock.",
            field="tls_certificate",
        )
    unlocked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain) + unlocked


def _read(path: Path, *, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidInput(
            f"{field} names {path}, which can't be read: {exc.strerror}.",
            remedy="Check the path and that root may read it.",
            field=field,
        ) from exc
