"""How this machine became a host of an installation that is elsewhere, and stays one.

::

    trust/host.key        0600  made before the first request, so that a lost answer can be asked for again
    trust/authority.pem   0644
    trust/host.pem        0600  certificate and key
    trust/joined.json     0644  where the controllers are; written last
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from frazil.model.clock import Clock
from frazil.model.errors import Conflict, FrazilError, InvalidInput, Refused, RemoteProtocolError, Unavailable
from frazil.settings import Settings
from frazil.trust import contexts
from frazil.trust.authority import Pair, key_pem
from frazil.trust.peers import (
    RENEW_BEFORE,
    Peer,
    certificate_sha256,
    make_key,
    peer_of,
    read_key,
    request,
    vouches,
)
from frazil.whole_file import write_whole
from frazil.wire.hostlink import FailureField
from frazil.wire.joining import (
    JOIN_PATH,
    RENEW_PATH,
    Certified,
    Introduction,
    JoinRequest,
    NotCertified,
    RenewRequest,
    ToJoiner,
    read_token,
    to_joiner,
)

PAIR = "host.pem"
DEADLINE_S = 20.0
LOOK_EVERY_S = 3600.0

log = structlog.get_logger(__name__)


def host_pair(settings: Settings) -> Path:
    """This host's certificate and key. On the controller's machine it is there where other hosts may join."""
    return settings.trust_dir / PAIR


@dataclass(frozen=True, slots=True)
class Joined:
    """Where this machine's controllers are, and by what it is known there."""

    host: str
    port: int
    controllers: int
    trust_dir: Path

    @classmethod
    def of(cls, settings: Settings) -> Joined | None:
        """None where this machine has joined nothing. Raises InvalidInput when what is there can't be read."""
        path = settings.joined_file
        if not path.exists():
            return None
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(held["host"]), int(held["port"]), int(held["controllers"]), settings.trust_dir)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise InvalidInput(
                f"{path} can't be read: {exc}.", remedy="Let this machine join again: frazil host invite, there"
            ) from exc

    @property
    def pair(self) -> Path:
        return self.trust_dir / PAIR

    @property
    def authority(self) -> Path:
        return self.trust_dir / "authority.pem"

    def uri(self, path: str, number: int = 1) -> str:
        """Of a controller, counted from 1: each has a port of its own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"wss://{host}:{self.port + number - 1}{path}"

    def dialer(self, path: str, number: int, *, max_size: int) -> Callable[[], Awaitable[ClientConnection]]:
        """Connects to a controller, and to nobody else. What it gives raises OSError and what websockets raises."""

        async def dial() -> ClientConnection:
            try:
                context = contexts.dialing(self.pair, self.authority)
            except InvalidInput as exc:
                raise ConnectionRefusedError(str(exc)) from exc
            connection = await connect(self.uri(path, number), ssl=context, max_size=max_size, compression=None)
            try:
                peer, _ = contexts.known_peer(_tls_of(connection))
                if peer.role != "controller":
                    raise Refused("It has no controller's certificate.")
            except Refused as exc:
                await connection.close()
                raise ConnectionRefusedError(f"There is no controller of ours: {exc}") from exc
            return connection

        return dial


def is_at(settings: Settings, url: str) -> bool:
    """Whether this machine is a host of the installation at `url`. Raises InvalidInput for a URL that is none."""
    joined = Joined.of(settings)
    return joined is not None and (joined.host, joined.port) == _parts(url)


async def join(settings: Settings, url: str, token: str, *, host_name: str, clock: Clock) -> None:
    """Have this machine be a host of the installation at `url`. The directories must be there.

    Raises InvalidInput for a URL or token that is none, Refused when it is not taken, Unavailable when nobody answers,
    Conflict when this machine is of another installation.
    """
    secret, pin = read_token(token)
    host, port = _parts(url)
    former = _former(settings)
    key = _key(settings.trust_dir / "host.key")
    asked = JoinRequest(
        secret=secret,
        host_name=host_name,
        certificate_request=request(key).decode(),
        former_host_id=former.get("host_id", "") if settings.joined_file.exists() else "",
    )
    target = Joined(host, port, 1, settings.trust_dir)
    try:
        async with asyncio.timeout(DEADLINE_S), connect(target.uri(JOIN_PATH), ssl=contexts.stranger()) as connection:
            authority, installation_id = _introduced(await _heard(connection), pin, _tls_of(connection), clock=clock)
            if former and former["installation_id"] != installation_id:
                raise Conflict(
                    "This machine is of another installation already. The token is still good.",
                    remedy=f"If no desktop on it is to stay: remove {settings.installation_file} and join again.",
                )
            await connection.send(asked.model_dump_json())
            certified = _certified(await _heard(connection))
    except (OSError, WebSocketException, TimeoutError) as exc:
        why = str(exc) or f"it did not answer within {DEADLINE_S:g} s"
        raise Unavailable(
            f"The controller at {host}, port {port}, can't be reached: {why}.",
            remedy="Look whether `hosts_listen` is set there, and whether a firewall is between.",
        ) from exc
    certificate = _own(certified, authority, key, clock=clock)
    write_whole(target.authority, authority.public_bytes(Encoding.PEM), mode=0o644)
    _keep(target.pair, Pair(certificate, key))
    held = {"installation_id": certified.installation_id, "host_id": certified.host_id}
    write_whole(settings.installation_file, json.dumps(held).encode() + b"\n", mode=0o644)
    _write(settings, replace(target, controllers=certified.controllers))
    (settings.trust_dir / "host.key").unlink(missing_ok=True)


def know_controllers(settings: Settings, joined: Joined, controllers: int) -> Joined:
    """Write down that there are so many controllers now. Raises OSError."""
    now = replace(joined, controllers=controllers)
    _write(settings, now)
    return now


def _write(settings: Settings, joined: Joined) -> None:
    where = {"host": joined.host, "port": joined.port, "controllers": joined.controllers}
    write_whole(settings.joined_file, json.dumps(where).encode() + b"\n", mode=0o644)


async def keep_fresh(joined: Joined, *, clock: Clock) -> None:
    """Have the next certificate in time. Until cancelled."""
    while True:
        certificate = x509.load_pem_x509_certificate(joined.pair.read_bytes())
        if clock.now() + RENEW_BEFORE > certificate.not_valid_after_utc:
            try:
                await renew(joined, clock=clock)
            except FrazilError as exc:
                log.error("certificate-not-renewed", why=exc.what, remedy=exc.remedy)
            else:
                log.info("certificate-renewed")
        await asyncio.sleep(LOOK_EVERY_S)


async def renew(joined: Joined, *, clock: Clock) -> None:
    """Have a new key certified. The old one stays good until its own certificate is over."""
    key = make_key()
    asked = RenewRequest(certificate_request=request(key).decode())
    failures = []
    for number in range(1, joined.controllers + 1):
        try:
            async with asyncio.timeout(DEADLINE_S):
                connection = await joined.dialer(RENEW_PATH, number, max_size=1 << 20)()
                async with connection:
                    await connection.send(asked.model_dump_json())
                    certified = _certified(await _heard(connection))
        except (OSError, WebSocketException, TimeoutError) as exc:
            failures.append(str(exc) or type(exc).__name__)
            continue
        authority = x509.load_pem_x509_certificate(joined.authority.read_bytes())
        _keep(joined.pair, Pair(_own(certified, authority, key, clock=clock), key))
        return
    raise Unavailable(f"No controller renews this host's certificate: {'; '.join(failures)}.")


def _parts(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme != "https" or not host or port is None:
        raise InvalidInput(
            f"{url!r} is no address to join at.",
            remedy="Copy it from what `frazil host invite` shows: https://HOST:8444",
        )
    return host, port


def _former(settings: Settings) -> dict[str, str]:
    """What this machine is already; nothing for a new one."""
    path = settings.installation_file
    if not path.exists():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {"installation_id": str(held["installation_id"]), "host_id": str(held["host_id"])}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(f"{path} can't be read: {exc}.", remedy="Restore it from a backup.") from exc


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        return read_key(path.read_bytes())
    except (OSError, ValueError, TypeError):
        key = make_key()
        write_whole(path, key_pem(key), mode=0o600)
        return key


def _keep(path: Path, pair: Pair) -> None:
    write_whole(path, pair.certificate_pem + pair.key_pem, mode=0o600)


def _tls_of(connection: ClientConnection) -> ssl.SSLObject:
    found: ssl.SSLObject = connection.transport.get_extra_info("ssl_object")
    return found


async def _heard(connection: ClientConnection) -> ToJoiner:
    try:
        return to_joiner.validate_json(await connection.recv())
    except ValidationError as exc:
        raise RemoteProtocolError("The controller's answer can't be read.") from exc


def _introduced(said: ToJoiner, pin: bytes, connection: ssl.SSLObject, *, clock: Clock) -> tuple[x509.Certificate, str]:
    """The authority that the token names, and its installation, once the connection is with a controller of theirs."""
    if isinstance(said, NotCertified):
        raise _refused(said.failure)
    if not isinstance(said, Introduction):
        raise RemoteProtocolError("The controller spoke out of turn.")
    try:
        authority = x509.load_pem_x509_certificate(said.authority.encode())
    except ValueError as exc:
        raise RemoteProtocolError("The controller's authority can't be read.") from exc
    shown = contexts.shown(connection)
    vouched = shown is not None and certificate_sha256(authority) == pin and vouches(authority, shown, now=clock.now())
    if shown is None or not vouched or peer_of(shown).role != "controller":
        raise Refused(
            "At that address is another installation than the token is of; the token was not given away.",
            remedy="Check the address, this machine's clock, and who is between.",
        )
    return authority, peer_of(shown).installation_id


def _certified(said: ToJoiner) -> Certified:
    if isinstance(said, NotCertified):
        raise _refused(said.failure)
    if not isinstance(said, Certified):
        raise RemoteProtocolError("The controller spoke out of turn.")
    return said


def _own(
    certified: Certified, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, *, clock: Clock
) -> x509.Certificate:
    """The certificate, once it is seen to be good for what it was asked for."""
    try:
        certificate = x509.load_pem_x509_certificate(certified.certificate.encode())
    except ValueError as exc:
        raise RemoteProtocolError("The certificate that the controller gave can't be read.") from exc
    peer = Peer(certified.installation_id, "host", certified.host_id)
    if (
        certificate.public_key() != key.public_key()
        or peer_of(certificate) != peer
        or not vouches(authority, certificate, now=clock.now())
    ):
        raise RemoteProtocolError("The certificate that the controller gave is not what was asked for.")
    return certificate


def _refused(failure: FailureField) -> Refused:
    return Refused(failure.text, remedy=failure.remedy)
