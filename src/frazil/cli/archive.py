"""A backup's file: a zip of the database's lines and of the few files that make an installation what it is.

::

    manifest.json             which version of Frazil made it, when, of which installation
    database.jsonl            `controller.store.backup`
    files/installation.json   who this installation and its first host are
    files/tls/ca.pem, ca.key  the authority that browsers and viewers were told to trust
    files/trust/authority.*   the one by which this installation's machines know each other

It holds password hashes and a private key, so it is made for its owner only.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from frazil.model.errors import Conflict, HostError, InvalidInput
from frazil.settings import Settings

MANIFEST = "manifest.json"
DATABASE = "database.jsonl"
FILES = "files/"
MANIFEST_MAX_BYTES = 1 << 16
FILE_MAX_BYTES = 1 << 20


UNDOS_KEPT = 10
"""So many of the backups that are made before a restore are kept."""
_UNDO = re.compile(r"before-restore-\d{8}-\d{6}\.zip")


@dataclass(frozen=True, slots=True)
class Manifest:
    """made_at: ISO 8601, in UTC."""

    version: str
    made_at: str
    installation_id: str

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.made_at)


def kept_files(settings: Settings) -> dict[str, tuple[Path, int]]:
    """By their names in the archive: where they are, and the mode that they are to have."""
    return {
        "installation.json": (settings.installation_file, 0o644),
        "tls/ca.pem": (settings.tls_dir / "ca.pem", 0o644),
        "tls/ca.key": (settings.tls_dir / "ca.key", 0o600),
        "trust/authority.pem": (settings.trust_dir / "authority.pem", 0o644),
        "trust/authority.key": (settings.trust_dir / "authority.key", 0o600),
    }


def before_restore(settings: Settings, at: datetime) -> Path:
    """Where what there is now is saved, for a restore to be undone."""
    return settings.state_dir / "backups" / f"before-restore-{at:%Y%m%d-%H%M%S}.zip"


def drop_old(place: Path, *, spare: Collection[Path]) -> None:
    """Remove the older of what `before_restore` named in this directory; no other file, and none of `spare`."""
    spared = {path.resolve() for path in spare}
    made = sorted((path for path in place.iterdir() if _UNDO.fullmatch(path.name)), key=lambda path: path.name)
    for path in made[:-UNDOS_KEPT]:
        if path.resolve() not in spared:
            path.unlink(missing_ok=True)


def write(path: Path, manifest: Manifest, *, lines: Iterable[bytes], files: Mapping[str, Path]) -> None:
    """Make the file, whole or not at all, and only if there is none of that name.

    `files` that are missing are left out. Raises Conflict, or HostError when it can't be written; what `lines` raises
    passes.
    """
    part = path.with_name(path.name + ".part")
    try:
        if path.exists():
            raise Conflict(f"{path} is there already.", remedy="Name another file, or move that one away.")
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(MANIFEST, json.dumps(asdict(manifest)) + "\n")
                for name, source in files.items():
                    if source.exists():
                        archive.writestr(FILES + name, source.read_bytes())
                with archive.open(DATABASE, "w", force_zip64=True) as out:
                    for line in lines:
                        out.write(line)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename, it replaces nothing
    except OSError as exc:
        raise HostError(f"{path} can't be written: {exc.strerror or exc}.", remedy="Name another place.") from exc
    finally:
        part.unlink(missing_ok=True)


class Archive:
    """A backup that was looked over: all of it can be read. Raises InvalidInput when that is not so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            damaged = self._zip.testzip()
            told = json.loads(self._small(MANIFEST, MANIFEST_MAX_BYTES))
            self.manifest = Manifest(**told)
            if self.manifest.at.tzinfo is None or not all(isinstance(value, str) for value in told.values()):
                raise ValueError("its manifest makes no sense")
            self._zip.getinfo(DATABASE)
        except OSError as exc:
            raise InvalidInput(f"{path} can't be read: {exc.strerror or exc}.", remedy="Name a backup.") from exc
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, KeyError, NotImplementedError) as exc:
            raise InvalidInput(
                f"{path} is no backup of Frazil, or was cut short: {exc}.", remedy="Take another one."
            ) from exc
        if damaged is not None:
            raise InvalidInput(f"{path} is damaged: {damaged} can't be read.", remedy="Take another backup.")

    def lines(self) -> Iterator[bytes]:
        """The database's, one by one."""
        with self._zip.open(DATABASE) as file:
            yield from file

    def file(self, name: str) -> bytes | None:
        """What one of `kept_files` had in it; None when it is not there."""
        assert not PurePosixPath(name).is_absolute()
        return self._small(FILES + name, FILE_MAX_BYTES) if FILES + name in self._zip.namelist() else None

    def _small(self, name: str, most: int) -> bytes:
        with self._zip.open(name) as file:
            read = file.read(most + 1)
        if len(read) > most:
            raise InvalidInput(f"{self.path} is no backup of Frazil: {name} in it is too large.")
        return read

    def close(self) -> None:
        self._zip.close()
