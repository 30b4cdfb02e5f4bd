"""The directories of an installation: who owns them, who may enter.

The ways between the processes are directories: a socket can be reached by whoever may pass the directory it lies in.
Those with the set-group-id bit hand their group on to the sockets made in them.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from frazil.cli.supervisor.accounts import Accounts
from frazil.model.clock import Ids
from frazil.model.errors import HostError
from frazil.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """One directory as it shall be."""

    path: Path
    uid: int
    gid: int
    mode: int


def places(settings: Settings, accounts: Accounts) -> list[Place]:
    """All directories, parents first."""
    controller, gateway = accounts.controller, accounts.gateway
    return [
        Place(settings.state_dir, 0, 0, 0o755),
        Place(settings.run_dir, 0, 0, 0o755),
        Place(settings.log_dir, 0, 0, 0o755),
        Place(settings.cache_dir, 0, 0, 0o755),
        # QEMU's user passes through these to files that libvirt gives it; it can't list them
        Place(settings.images_dir, 0, 0, 0o711),
        Place(settings.desktops_dir, 0, 0, 0o711),
        Place(settings.incoming_dir, 0, 0, 0o700),
        Place(settings.controller_dir, controller.uid, controller.gid, 0o700),
        # the controller passes through to the file for viewers; keys have modes of their own
        Place(settings.tls_dir, 0, gateway.gid, 0o751),
        # what is secret in it has a mode of its own
        Place(settings.trust_dir, 0, 0, 0o755),
        Place(settings.public_socket.parent, controller.uid, gateway.gid, 0o2750),
        Place(settings.internal_socket.parent, controller.uid, gateway.gid, 0o2750),
        Place(settings.hosts_socket.parent, controller.uid, controller.gid, 0o700),
        Place(settings.local_socket.parent, controller.uid, controller.gid, 0o700),
        Place(settings.display_socket.parent, 0, gateway.gid, 0o2750),
    ]


def prepare(settings: Settings, accounts: Accounts) -> None:
    """Have every directory with its owner and mode. Needs root."""
    for place in places(settings, accounts):
        if place.path.is_symlink():
            raise HostError(
                f"{place.path} is a symbolic link.", remedy="Set the directory's real path in /etc/frazil/frazil.toml."
            )
        try:
            place.path.mkdir(parents=True, exist_ok=True)
            os.chown(place.path, place.uid, place.gid)
            place.path.chmod(place.mode)  # after chown, which drops the set-group-id bit
            has = stat.S_IMODE(place.path.stat().st_mode)
        except OSError as exc:
            raise HostError(
                f"The directory {place.path} can't be made: {exc.strerror}.",
                remedy="Set another one in /etc/frazil/frazil.toml.",
            ) from exc
        if has != place.mode:  # chmod(2) drops the set-group-id bit without a word where CAP_FSETID is missing
            raise HostError(
                f"The directory {place.path} got the mode {has:o} and not {place.mode:o}.",
                remedy="Run this as root with the capability CAP_FSETID, on a file system that keeps modes.",
            )


def ensure_installation(settings: Settings, *, ids: Ids) -> str:
    """The installation's id; at first start the file with it and this host's id is written, whole or not at all."""
    path = settings.installation_file
    if path.exists():
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return str(held["installation_id"])
        except (ValueError, KeyError, TypeError) as exc:
            raise HostError(
                f"{path} can't be read.",
                remedy="Restore it from a backup: without it this machine's desktops are strangers.",
            ) from exc
    installation_id = ids.new_id()
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as out:
        out.write(json.dumps({"installation_id": installation_id, "host_id": ids.new_id()}) + "\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.chmod(0o644)
    fresh.replace(path)
    return installation_id
