"""What root sees to before other machines' servers can join: the authority of this installation's machines.

::

    trust/                  0755
    trust/authority.pem     0644  vouches for each of our machines to the others
    trust/authority.key     0600  the controller's: it certifies hosts
    trust/controller.pem    0600  what hosts are shown: certificate and key, the controller's
    trust/gateway.pem       0640  by what hosts know the gateway: certificate and key, root's and the gateway's group
    trust/host.pem          0600  what this machine's own server hands images to other hosts with
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509

from frazil.cli.supervisor.accounts import Accounts
from frazil.model.clock import Clock
from frazil.model.errors import InvalidInput
from frazil.server.host_identity import Identity
from frazil.server.joining import PAIR
from frazil.settings import Settings
from frazil.trust.authority import Pair, lasts
from frazil.trust.peers import Peer, certify, make_key, make_peers_authority, peer_of, read_key, vouches
from frazil.whole_file import write_whole


def ensure_peers(settings: Settings, accounts: Accounts, installation_id: str, *, clock: Clock) -> None:
    """Have all of it, lasting for a while, where other machines may join; nothing where they may not.

    Called as root before each start, and twice a day. Raises InvalidInput when what is there can't be read.
    """
    if not settings.hosts_listen:
        return
    controller, gateway = accounts.controller, accounts.gateway
    authority = _authority(settings.trust_dir, uid=controller.uid, clock=clock)
    places = {
        Peer(installation_id, "controller"): ("controller.pem", 0o600, controller.uid, controller.gid),
        Peer(installation_id, "gateway"): ("gateway.pem", 0o640, 0, gateway.gid),
        Peer(installation_id, "host", Identity.of(settings).host_id): (PAIR, 0o600, 0, 0),
    }
    for peer, (name, mode, uid, gid) in places.items():
        path = settings.trust_dir / name
        if not _is_good(path, peer, authority.certificate, clock=clock):
            key = make_key()
            made = Pair(certify(authority, key.public_key(), peer, now=clock.now()), key)
            write_whole(path, made.certificate_pem + made.key_pem, mode=mode, uid=uid, gid=gid)


def _authority(trust_dir: Path, *, uid: int, clock: Clock) -> Pair:
    certificate_file, key_file = trust_dir / "authority.pem", trust_dir / "authority.key"
    if certificate_file.exists():
        try:
            found = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            key = read_key(key_file.read_bytes())
            if key.public_key() != found.public_key():
                raise ValueError("the key is another one's")
        except (OSError, ValueError, TypeError) as exc:
            raise InvalidInput(
                f"The authority of this installation's machines in {trust_dir} can't be read: {exc}.",
                remedy=f"Restore it from a backup, or remove {certificate_file}: all other hosts must join again then.",
            ) from exc
        os.chown(key_file, uid, -1)  # a restored one is root's
        return Pair(found, key)
    made = make_peers_authority(now=clock.now())
    # The key first: without its certificate both are made again, and nothing was certified yet.
    write_whole(key_file, made.key_pem, mode=0o600, uid=uid)
    write_whole(certificate_file, made.certificate_pem, mode=0o644)
    return made


def _is_good(path: Path, peer: Peer, authority: x509.Certificate, *, clock: Clock) -> bool:
    try:
        content = path.read_bytes()
        found = x509.load_pem_x509_certificate(content)
        fits = read_key(content).public_key() == found.public_key()
    except (OSError, ValueError, TypeError):
        return False
    now = clock.now()
    return fits and vouches(authority, found, now=now) and lasts(found, now=now) and peer_of(found) == peer
