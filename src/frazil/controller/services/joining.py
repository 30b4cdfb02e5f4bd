"""Other machines' servers: how they become hosts, and stop being trusted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from frazil.controller.identity import Identity, Right
from frazil.controller.identity.secrets import digest
from frazil.controller.services import finding, journal
from frazil.controller.services.context import Context
from frazil.controller.store import host_keys
from frazil.model.errors import Conflict, Refused, Unavailable
from frazil.trust.authority import Pair
from frazil.trust.peers import Peer, certificate_sha256, certify, key_sha256, read_key, requested_key
from frazil.wire.joining import Certified, JoinRequest, token_of
from frazil.wire.rest import HostInvitation

INVITATION_LASTS = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joins:
    """How other machines' servers join. trust_dir: where the authority is. url: where they dial, the first controller
    of so many."""

    installation_id: str
    trust_dir: Path
    url: str
    controllers: int


class Joining:
    """joins: None where other machines may not join."""

    def __init__(self, ctx: Context, joins: Joins | None) -> None:
        self._ctx = ctx
        self._given = joins

    @property
    def _joins(self) -> Joins:
        if self._given is None:
            raise Conflict(
                "This installation takes no hosts on other machines.",
                remedy='Set hosts_listen = "0.0.0.0:8444" in /etc/frazil/frazil.toml and start Frazil again.',
            )
        return self._given

    def authority(self) -> Pair:
        """Blocks for a read. Raises Conflict where other machines may not join, Unavailable when it can't be read."""
        trust_dir = self._joins.trust_dir
        try:
            certificate = x509.load_pem_x509_certificate((trust_dir / "authority.pem").read_bytes())
            key = read_key((trust_dir / "authority.key").read_bytes())
        except (OSError, ValueError, TypeError) as exc:
            raise Unavailable(
                f"The authority that certifies hosts can't be read: {exc}.", remedy="Start Frazil again as root."
            ) from exc
        return Pair(certificate, key)

    async def invite(self, identity: Identity) -> HostInvitation:
        """A token that makes one machine a host, within the hour."""
        identity.require(Right.CHANGE_HOSTS)
        authority = self.authority().certificate
        secret, now = self._ctx.ids.new_secret(24), self._ctx.clock.now()

        def work(tx: sa.Connection) -> None:
            until = now + INVITATION_LASTS
            host_keys.invite(tx, digest(secret), by=identity.name, now=now, expires_at=until)
            journal.note(self._ctx, tx, "host.invited", "A token for a new host was made.", by=identity)

        await self._ctx.store.write(work)
        token = token_of(secret, certificate_sha256(authority))
        return HostInvitation(token=token, url=self._joins.url, expires_at=now + INVITATION_LASTS)

    async def join(self, asked: JoinRequest, *, remote_address: str) -> Certified:
        """Certify a new host. Raises Refused for a token that is not good, or no longer; InvalidInput for a request."""
        key, host_name = requested_key(asked.certificate_request.encode()), asked.host_name[:200]
        authority, now, new_id = self.authority(), self._ctx.clock.now(), self._ctx.ids.new_id()
        by = Identity(user_id=None, name=host_name, role="user", remote_address=remote_address)

        def work(tx: sa.Connection) -> Certified | None:
            again = host_keys.has_lost_trust(tx, asked.former_host_id, now=now)
            host_id = host_keys.take_invitation(
                tx,
                digest(asked.secret),
                key_sha256(key),
                host_id=asked.former_host_id if again else new_id,
                now=now,
            )
            if host_id is None:
                text = f"The machine {host_name} tried to join with a token that is not good."
                journal.note(self._ctx, tx, "host.join-refused", text, by=by, outcome="refused")
                return None
            made = certify(authority, key, Peer(self._joins.installation_id, "host", host_id), now=now)
            host_keys.add(tx, key_sha256(key), host_id=host_id, now=now, expires_at=made.not_valid_after_utc)
            text = f"The machine {host_name} joined as a host."
            journal.note(self._ctx, tx, "host.joined", text, by=by)
            return self._certified(host_id, made)

        certified = await self._ctx.store.write(work)
        if certified is None:
            raise Refused(
                "This token is not good, or no longer.", remedy="Make a new one on the controller: frazil host invite"
            )
        return certified

    async def renew(self, host_id: str, known_key: str, request: str) -> Certified:
        """The next certificate for a host that has a good one."""
        key = requested_key(request.encode())
        authority, now = self.authority(), self._ctx.clock.now()

        def work(tx: sa.Connection) -> Certified | None:
            if not host_keys.is_good(tx, known_key, host_id=host_id):
                return None
            made = certify(authority, key, Peer(self._joins.installation_id, "host", host_id), now=now)
            host_keys.add(tx, key_sha256(key), host_id=host_id, now=now, expires_at=made.not_valid_after_utc)
            return self._certified(host_id, made)

        certified = await self._ctx.store.write(work)
        if certified is None:
            raise _revoked()
        return certified

    def _certified(self, host_id: str, certificate: x509.Certificate) -> Certified:
        return Certified(
            installation_id=self._joins.installation_id,
            host_id=host_id,
            certificate=certificate.public_bytes(Encoding.PEM).decode(),
            controllers=self._joins.controllers,
        )

    async def let_in(self, host_id: str, known_key: str) -> None:
        """Raises Refused unless the key was certified for this host, and not revoked since."""
        if not await self._ctx.store.read(lambda tx: host_keys.is_good(tx, known_key, host_id=host_id)):
            raise _revoked()

    async def good_keys(self) -> frozenset[str]:
        """Of all hosts on other machines: neither revoked nor over."""
        now = self._ctx.clock.now()
        return await self._ctx.store.read(lambda tx: host_keys.good(tx, now=now))

    async def revoke(self, identity: Identity, ref: str) -> None:
        """Let a host on another machine in no more; its open link ends within a second or two."""
        identity.require(Right.CHANGE_HOSTS)

        def work(tx: sa.Connection) -> None:
            row = finding.host(tx, ref)
            if not row.address:
                raise Conflict(f"The host {row.name} is this machine: it needs no certificate that could be revoked.")
            if host_keys.revoke(tx, row.id, now=self._ctx.clock.now()):
                text = f"The certificate of the host {row.name} was revoked: it is let in no more."
                journal.note(self._ctx, tx, "host.revoked", text, by=identity)

        await self._ctx.store.write(work)


def _revoked() -> Refused:
    return Refused(
        "This host's certificate was revoked, or is of another installation.",
        remedy="Let it join again: frazil host invite, on the controller",
    )
