"""A machine joins an installation, over TLS and against the real controller, and is trusted no more when it is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from websockets.asyncio.client import connect

from frazil.controller.hostdoor import REQUEST_MAX_BYTES
from frazil.model.errors import Conflict, FrazilError, InvalidInput, Refused, Unavailable
from frazil.runtime import SystemClock
from frazil.server import joining
from frazil.server.joining import Joined, renew
from frazil.trust import contexts
from frazil.trust.authority import Pair
from frazil.trust.peers import Peer, certify, make_key, make_peers_authority, read_key
from frazil.wire.joining import JOIN_PATH, read_token, token_of
from frazil.wire.rest import HostInvitation
from tests.harness.joined_host import JoinedHost, at, joined
from tests.harness.stack import Stack
from tests.harness.waiting import until


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(fake=True, hosts_listen=at(), displays_listen=at(), heartbeat_s=1.0) as made:
        yield made.start()


@pytest.fixture
def new() -> Iterator[JoinedHost]:
    with JoinedHost() as host:
        yield host


def test_a_host_joins_and_is_there_with_its_address(stack: Stack) -> None:
    with joined(stack) as host:
        shown = stack.root.host(host.host_id)
        assert shown.address == "127.0.0.1"
        assert (host.settings.trust_dir / "host.pem").stat().st_mode & 0o777 == 0o600
        assert not (host.settings.trust_dir / "host.key").exists()
        host.stop()
        joined_to = json.loads(host.settings.joined_file.read_text())
        host.settings.joined_file.write_text(json.dumps(joined_to | {"controllers": 3}))
        host.start()  # without joining again
        until(lambda: host.is_up(stack), "it is up again")
        until(lambda: json.loads(host.settings.joined_file.read_text()) == joined_to, "it is told that there is one")
    kinds = [event.kind for event in stack.root.events()]
    assert "host.invited" in kinds
    assert "host.joined" in kinds


def test_a_token_is_good_for_one_machine(stack: Stack, new: JoinedHost) -> None:
    invitation = stack.root.invite_host()
    new.join(invitation, name="first")
    with JoinedHost() as other, pytest.raises(Refused, match="not good"):
        other.join(invitation, name="late")
    assert "host.join-refused" in [event.kind for event in stack.root.events()]


def test_a_lost_answer_can_be_asked_for_again(stack: Stack, new: JoinedHost) -> None:
    invitation = stack.root.invite_host()
    new.join(invitation, name="new")
    first = new.host_id
    # As if the machine had lost power before it had written down the answer.
    key = x509.load_pem_x509_certificate((new.settings.trust_dir / "host.pem").read_bytes()).public_key()
    pem = (new.settings.trust_dir / "host.pem").read_bytes()
    (new.settings.trust_dir / "host.key").write_bytes(pem[pem.index(b"-----BEGIN PRIVATE KEY") :])
    for file in (new.settings.joined_file, new.settings.installation_file, new.settings.trust_dir / "host.pem"):
        file.unlink()
    new.join(invitation, name="new")
    assert new.host_id == first
    again = x509.load_pem_x509_certificate((new.settings.trust_dir / "host.pem").read_bytes())
    assert again.public_key() == key


def test_the_secret_is_not_given_to_another_installation(stack: Stack, new: JoinedHost) -> None:
    invitation = stack.root.invite_host()
    secret, _ = read_token(invitation.token)
    other = token_of(secret, b"\0" * 32)
    with pytest.raises(Refused, match="another installation"):
        new.join(HostInvitation(token=other, url=invitation.url, expires_at=invitation.expires_at), name="new")
    new.join(invitation, name="new")  # it is still good


@pytest.mark.parametrize(
    ("token", "url", "error"),
    [
        ("nonsense", "https://127.0.0.1:1", InvalidInput),
        (token_of("secret", b"\0" * 32), "http://127.0.0.1:1", InvalidInput),
        (token_of("secret", b"\0" * 32), "https://[::1", InvalidInput),
        (token_of("secret", b"\0" * 32), "https://127.0.0.1:1", Unavailable),
    ],
)
def test_what_can_not_be_used_is_told(new: JoinedHost, token: str, url: str, error: type[FrazilError]) -> None:
    new.settings.trust_dir.mkdir(parents=True)
    with pytest.raises(error):
        asyncio.run(joining.join(new.settings, url, token, host_name="new", clock=SystemClock()))
    assert not new.settings.joined_file.exists()
    assert not new.settings.installation_file.exists()


def test_a_machine_of_another_installation_stays_so(stack: Stack, new: JoinedHost) -> None:
    new.settings.state_dir.mkdir()
    before = '{"installation_id": "01900000-0000-7000-8000-000000000001", "host_id": "x"}'
    new.settings.installation_file.write_text(before)
    invitation = stack.root.invite_host()
    with pytest.raises(Conflict, match="another installation"):
        new.join(invitation, name="new")
    assert new.settings.installation_file.read_text() == before
    with JoinedHost() as other:
        other.join(invitation, name="other")  # the token was not used up


def test_a_stranger_can_not_say_much(stack: Stack) -> None:
    async def says(size: int) -> int | None:
        """With which code the connection is closed."""
        port = stack.settings.hosts_listen.rpartition(":")[2]
        async with connect(f"wss://127.0.0.1:{port}{JOIN_PATH}", ssl=contexts.stranger()) as connection:
            await connection.recv()
            await connection.send("x" * size)
            await connection.wait_closed()
            return connection.close_code

    assert asyncio.run(says(REQUEST_MAX_BYTES + 1)) == 1009
    assert asyncio.run(says(100)) == 1000, "it is told that this is no request"


def test_a_revoked_host_is_let_in_no_more_until_it_joins_again(stack: Stack) -> None:
    with joined(stack) as host:
        stack.root.revoke_host(host.host_id)
        until(lambda: host.said("controller-rejected-us"), "it is told", timeout_s=30)
        until(lambda: not host.is_up(stack), "it is silent", timeout_s=30)
        host.stop()
        former = host.host_id
        host.join(stack.root.invite_host(), name="second")
        assert host.host_id == former
        host.start()
        until(lambda: host.is_up(stack), "it is up again")


def test_a_host_that_is_trusted_is_not_taken_over_by_a_token(stack: Stack, new: JoinedHost) -> None:
    with joined(stack) as host:
        new.settings.state_dir.mkdir()
        new.settings.installation_file.write_text(host.settings.installation_file.read_text())
        new.settings.trust_dir.mkdir()
        new.settings.joined_file.write_text(host.settings.joined_file.read_text())
        new.join(stack.root.invite_host(), name="thief")
        assert new.host_id != host.host_id


def _with_certificate(host: JoinedHost, authority: Pair, peer: Peer) -> None:
    key = make_key()
    made = Pair(certify(authority, key.public_key(), peer, now=datetime.now(UTC)), key)
    (host.settings.trust_dir / "host.pem").write_bytes(made.certificate_pem + made.key_pem)


def test_a_forged_certificate_is_not_let_in(stack: Stack, new: JoinedHost) -> None:
    new.join(stack.root.invite_host(), name="new")
    peer = Peer(stack.installation_id, "host", new.host_id)
    _with_certificate(new, make_peers_authority(now=datetime.now(UTC)), peer)
    new.start()
    until(lambda: new.said("controller-away") or new.said("controller-connection-lost"), "it is refused")
    assert not new.is_up(stack)


def _authority(stack: Stack) -> Pair:
    place: Path = stack.settings.trust_dir
    certificate = x509.load_pem_x509_certificate((place / "authority.pem").read_bytes())
    return Pair(certificate, read_key((place / "authority.key").read_bytes()))


def test_a_gateways_certificate_is_no_hosts(stack: Stack, new: JoinedHost) -> None:
    new.join(stack.root.invite_host(), name="new")
    _with_certificate(new, _authority(stack), Peer(stack.installation_id, "gateway"))
    new.start()
    until(lambda: new.said("controller-away"), "it is refused")
    assert not new.is_up(stack)


def test_a_host_can_not_say_that_it_is_another(stack: Stack, new: JoinedHost) -> None:
    with joined(stack) as other:
        new.join(stack.root.invite_host(), name="new")
        new.settings.installation_file.write_text(other.settings.installation_file.read_text())
        new.start()
        until(lambda: new.said("controller-rejected-us"), "it is refused")


def test_a_certificate_is_renewed_with_another_key(stack: Stack) -> None:
    with joined(stack) as host:
        pem = host.settings.trust_dir / "host.pem"
        before = x509.load_pem_x509_certificate(pem.read_bytes())
        known = Joined.of(host.settings)
        assert known is not None
        asyncio.run(renew(known, clock=SystemClock()))
        after = x509.load_pem_x509_certificate(pem.read_bytes())
        assert after.public_key() != before.public_key()
        host.stop()
        host.start()
        until(lambda: host.is_up(stack), "it is up with the new one")
        stack.root.revoke_host(host.host_id)
        with pytest.raises((Refused, Unavailable)):
            asyncio.run(renew(known, clock=SystemClock()))


def test_this_machine_has_nothing_to_revoke(stack: Stack) -> None:
    own = next(host for host in stack.root.hosts() if not host.address)
    with pytest.raises(Conflict, match="this machine"):
        stack.root.revoke_host(own.id)
