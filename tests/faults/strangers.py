"""Domains and disks that Frazil did not make, and whether they are as they were."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from frazil.server.desktops.directory import DISK, RECORD
from frazil.server.hypervisor.domainxml.metadata import NAMESPACE

VIRSH = ("virsh", "-q", "-c", "qemu:///system")


def label(installation_id: str, desktop_id: str) -> str:
    """A label as Frazil writes it; anybody can write one."""
    return (
        f'<metadata><f:desktop xmlns:f="{NAMESPACE}" installation="{installation_id}" id="{desktop_id}" '
        'epoch-generation="1" epoch-counter="1" attempt="1" pool="p" name="stray-1"/></metadata>'
    )


UNREADABLE = f'<metadata><f:desktop xmlns:f="{NAMESPACE}" installation="x" id="y" attempt="many"/></metadata>'


def _virsh(*words: str, stdin: str = "") -> str:
    done = subprocess.run([*VIRSH, *words], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class Strangers:
    """Made by hand with virsh and in the file system; `close` removes the domains that are left."""

    names: list[str] = field(default_factory=list)
    places: list[Path] = field(default_factory=list)

    def domain(self, name: str, *, metadata: str = "", id_: str | None = None) -> str:
        """A running domain. Returns its name."""
        _virsh(
            "create",
            "/dev/stdin",
            stdin=f"<domain type='qemu'><name>{name}</name><uuid>{id_ or uuid.uuid4()}</uuid>{metadata}"
            "<memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os>"
            "<devices><graphics type='spice'><listen type='none'/></graphics></devices></domain>",
        )
        self.names.append(name)
        return name

    def disk(self, root: Path, name: str, *, record: str | None = None) -> None:
        """A directory among the desktops' own, with a disk in it."""
        place = root / name
        place.mkdir()
        (place / DISK).write_bytes(b"somebody's work")
        if record is not None:
            (place / RECORD).write_text(record)
        self.places.append(place)

    def as_they_are(self) -> dict[str, str]:
        """What would change if anybody touched one: process, state, times, contents."""
        seen = {}
        for name in self.names:
            state = _virsh("domstate", "--reason", name)
            xml = hashlib.sha256(_virsh("dumpxml", name).encode()).hexdigest()
            seen[name] = f"{_virsh('domid', name)} {state} {xml}"
        for place in self.places:
            files = sorted(place.iterdir())
            seen[str(place)] = f"{place.stat().st_mtime_ns} " + " ".join(
                f"{file.name} {file.stat().st_mtime_ns} {hashlib.sha256(file.read_bytes()).hexdigest()}"
                for file in files
            )
        return seen

    def destroy(self, name: str) -> None:
        _virsh("destroy", name)
        self.names.remove(name)

    def close(self) -> None:
        for name in self.names:
            subprocess.run([*VIRSH, "destroy", name], capture_output=True, timeout=60, check=False)
