"""Certificates between Frazil's machines: what they say, and what does not get through with them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from frazil.model.errors import InvalidInput, Refused
from frazil.trust import contexts
from frazil.trust.authority import Pair, issue
from frazil.trust.peers import (
    PEER_DAYS,
    Peer,
    certify,
    key_sha256,
    make_key,
    make_peers_authority,
    peer_of,
    request,
    requested_key,
    vouches,
)

NOW = datetime.now(UTC)
HOST = Peer("inst", "host", "host-a")


def made(authority: Pair, peer: Peer, *, now: datetime = NOW) -> Pair:
    key = make_key()
    return Pair(certify(authority, key.public_key(), peer, now=now), key)


@pytest.mark.parametrize("peer", [HOST, Peer("inst", "gateway"), Peer("inst", "controller")])
def test_a_certificate_says_what_it_is_of(peer: Peer) -> None:
    assert peer_of(made(make_peers_authority(now=NOW), peer).certificate) == peer


def test_a_browsers_certificate_is_of_no_peer() -> None:
    pair = issue(make_peers_authority(now=NOW), now=NOW, names=["frazil:inst:gateway"], addresses=[])
    with pytest.raises(Refused):
        peer_of(pair.certificate)


def test_a_request_proves_that_its_key_is_held() -> None:
    key = make_key()
    asked = request(key)
    assert key_sha256(requested_key(asked)) == key_sha256(key.public_key())
    body = x509.load_pem_x509_csr(asked).public_bytes(serialization.Encoding.DER)
    forged = bytearray(body)
    forged[-1] ^= 1
    pem = x509.load_der_x509_csr(bytes(forged)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(InvalidInput):
        requested_key(pem)


@pytest.mark.parametrize("asked", [b"", b"-----BEGIN CERTIFICATE REQUEST-----", b"x" * 100_000])
def test_what_is_no_request_is_refused(asked: bytes) -> None:
    with pytest.raises(InvalidInput):
        requested_key(asked)


def test_an_authority_vouches_for_its_own_while_they_last() -> None:
    authority, other = make_peers_authority(now=NOW), make_peers_authority(now=NOW)
    one = made(authority, HOST).certificate
    assert vouches(authority.certificate, one, now=NOW)
    assert not vouches(other.certificate, one, now=NOW)
    assert not vouches(authority.certificate, one, now=NOW + timedelta(days=PEER_DAYS + 1))


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str, Pair, Pair], tuple[Path, Path]]:
    def write(name: str, pair: Pair, authority: Pair) -> tuple[Path, Path]:
        at, ca = tmp_path / f"{name}.pem", tmp_path / f"{name}-ca.pem"
        at.write_bytes(pair.certificate_pem + pair.key_pem)
        ca.write_bytes(authority.certificate_pem)
        return at, ca

    return write


def meet(dialing: ssl.SSLContext, listening: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends after their handshake, which each has ended. Raises ssl.SSLError where one refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = dialing.wrap_bio(to_client, to_server)
    server = listening.wrap_bio(to_server, to_client, server_side=True)
    done = {client: False, server: False}
    while not all(done.values()):
        for end in done:
            if not done[end]:
                try:
                    end.do_handshake()
                    done[end] = True
                except ssl.SSLWantReadError:
                    pass
    return client, server


def test_both_ends_know_each_other(files: Callable[[str, Pair, Pair], tuple[Path, Path]]) -> None:
    authority = make_peers_authority(now=NOW)
    host, gateway = made(authority, HOST), made(authority, Peer("inst", "gateway"))
    client, server = meet(
        contexts.dialing(*files("gateway", gateway, authority)), contexts.listening(*files("host", host, authority))
    )
    assert contexts.known_peer(client)[0] == HOST
    peer, key = contexts.known_peer(server)
    assert peer == Peer("inst", "gateway")
    assert key == key_sha256(gateway.key.public_key())


def test_another_authoritys_certificate_is_not_let_in(files: Callable[[str, Pair, Pair], tuple[Path, Path]]) -> None:
    authority, forger = make_peers_authority(now=NOW), make_peers_authority(now=NOW)
    listening = contexts.listening(*files("host", made(authority, HOST), authority))
    forged = files("forged", made(forger, Peer("inst", "gateway")), authority)
    with pytest.raises(ssl.SSLError):
        meet(contexts.dialing(*forged), listening)


def test_an_expired_certificate_is_not_let_in(files: Callable[[str, Pair, Pair], tuple[Path, Path]]) -> None:
    authority = make_peers_authority(now=NOW)
    listening = contexts.listening(*files("host", made(authority, HOST), authority))
    old = made(authority, Peer("inst", "gateway"), now=NOW - timedelta(days=PEER_DAYS + 1))
    with pytest.raises(ssl.SSLError):
        meet(contexts.dialing(*files("old", old, authority)), listening)


def test_a_stranger_comes_in_only_where_strangers_may(files: Callable[[str, Pair, Pair], tuple[Path, Path]]) -> None:
    authority = make_peers_authority(now=NOW)
    pair = files("controller", made(authority, Peer("inst", "controller")), authority)
    client, server = meet(contexts.stranger(), contexts.listening(*pair, strangers=True))
    seen = contexts.shown(client)
    assert seen is not None
    assert vouches(authority.certificate, seen, now=NOW)
    with pytest.raises(Refused):
        contexts.known_peer(server)
    with pytest.raises(ssl.SSLError):
        client, server = meet(contexts.stranger(), contexts.listening(*pair))


def test_a_pair_that_does_not_fit_is_named(files: Callable[[str, Pair, Pair], tuple[Path, Path]]) -> None:
    authority = make_peers_authority(now=NOW)
    mixed = Pair(made(authority, HOST).certificate, make_key())
    pair, ca = files("mixed", mixed, authority)
    with pytest.raises(InvalidInput, match=r"mixed\.pem"):
        contexts.dialing(pair, ca)
