"""Templates on disk: one directory each, made whole or not at all.

``<root>/<key>/``: ``ram`` (sparse, as large as the guest's memory), ``state`` (the devices'), ``disk.qcow2`` (an
overlay of the image, read-only from now on) and ``template.json``, written last. ``<root>/.staging/<key>/`` is one
in the making. When a template was last used is its manifest's time of change: noting that takes no room.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from frazil.model.errors import HostError, OutOfSpace

MANIFEST = "template.json"
RAM = "ram"
STATE = "state"
DISK = "disk.qcow2"
_STAGING = ".staging"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What `template.json` says.

    made_at: ISO 8601, UTC. state_sha256: of the device state, checked before use. probe_mib: what its trial fork took
    for itself when it answered; 0 when that is not known. ram_mtime_ns, disk_mtime_ns: when
    those were last written, as stat(2) has it; whoever writes to them later is found out without reading them.
    """

    installation_id: str
    key: str
    image_id: str
    made_at: str
    state_sha256: str
    boot_s: float
    freeze_s: float
    probe_mib: int = 0
    ram_mtime_ns: int = 0
    disk_mtime_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template that forks may be made from."""

    manifest: Manifest
    directory: Path

    @property
    def ram(self) -> Path:
        return self.directory / RAM

    @property
    def state(self) -> Path:
        return self.directory / STATE

    @property
    def disk(self) -> Path:
        return self.directory / DISK

    def ram_bytes(self) -> int:
        """How much memory its forks share: what the RAM file really holds."""
        return self.ram.stat().st_blocks * 512

    def size_bytes(self) -> int:
        """What it takes on the disk, its memory included."""
        return sum(path.stat().st_blocks * 512 for path in self.directory.iterdir())

    def last_used_s(self) -> float:
        """When a desktop was last made of it, or it itself, in seconds since 1970."""
        return (self.directory / MANIFEST).stat().st_mtime

    def used(self, at_s: float) -> None:
        """Note that a desktop is made of it."""
        os.utime(self.directory / MANIFEST, (at_s, at_s))


class TemplateStore:
    """The templates of one host. Blocking."""

    def __init__(self, root: Path, *, installation_id: str) -> None:
        """Makes `root` if need be, and removes what a crash left half made."""
        self._root = root
        self._installation_id = installation_id
        self._staging = root / _STAGING
        self._staging.mkdir(parents=True, exist_ok=True)
        for directory in (root, self._staging):
            directory.chmod(0o711)
        for left in self._staging.iterdir():
            shutil.rmtree(left)

    def free_bytes(self) -> int:
        """How much more fits on the disk that they are on."""
        return shutil.disk_usage(self._root).free

    def begin(self, key: str) -> Path:
        """An empty directory in which a template is made; whatever an earlier try left in it is gone."""
        place = self._staging / key
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o711)
        return place

    def abandon(self, key: str) -> None:
        """Remove what `begin` made."""
        shutil.rmtree(self._staging / key, ignore_errors=True)

    def finish(self, key: str, manifest: Manifest) -> Template:
        """Keep what was made in `begin(key)`: read-only, on the disk, under its key."""
        place = self._staging / key
        try:
            # QEMU opens the memory for writing even where it maps it privately, so only disk and state are closed.
            (place / DISK).chmod(0o444)
            (place / STATE).chmod(0o400)
            _sync(place / RAM)
            manifest = replace(
                manifest,
                ram_mtime_ns=(place / RAM).stat().st_mtime_ns,
                disk_mtime_ns=(place / DISK).stat().st_mtime_ns,
            )
            (place / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
            for path in [*place.iterdir(), place]:
                _sync(path)
            place.rename(self._root / key)
            _sync(self._root)
        except OSError as exc:
            raise OutOfSpace(
                f"The template can't be kept in {self._root}: {exc.strerror}.", remedy="Free disk space on this host."
            ) from exc
        return Template(manifest=manifest, directory=self._root / key)

    def find(self, key: str) -> Template | None:
        """The template of this key, if it is here and its parts are as they were left.

        Raises HostError when it is damaged.
        """
        directory = self._root / key
        if not directory.exists():
            return None
        try:
            manifest = Manifest(**json.loads((directory / MANIFEST).read_text(encoding="utf-8")))
            template = Template(manifest=manifest, directory=directory)
            for part, written_ns in ((template.ram, manifest.ram_mtime_ns), (template.disk, manifest.disk_mtime_ns)):
                if part.stat().st_mtime_ns != written_ns:
                    raise HostError(f"The {part.name} of the template in {directory} was written to after it was made.")
            if sha256(template.state) != manifest.state_sha256:
                raise HostError(f"The state of the template in {directory} is damaged.")
        except FileNotFoundError as exc:
            raise HostError(f"The template in {directory} has lost its {Path(exc.filename).name}.") from exc
        except (OSError, ValueError, TypeError) as exc:
            raise HostError(f"The template in {directory} can't be read: {exc}.") from exc
        return template

    def list(self) -> list[Template]:
        """All templates of this installation, whatever their condition."""
        found = []
        for directory in sorted(self._root.iterdir()):
            try:
                manifest = Manifest(**json.loads((directory / MANIFEST).read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue
            if manifest.installation_id == self._installation_id:
                found.append(Template(manifest=manifest, directory=directory))
        return found

    def remove(self, key: str) -> None:
        """Remove a template. Forks that run keep its memory mapped, but their disks need its disk: not while any do."""
        doomed = self._staging / f"{key}.removed"
        shutil.rmtree(doomed, ignore_errors=True)
        try:
            (self._root / key).rename(doomed)
        except FileNotFoundError:
            return  # somebody removed it by hand
        shutil.rmtree(doomed)


def sha256(path: Path) -> str:
    """Of a file of some megabytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
