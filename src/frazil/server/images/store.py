"""Keeps a host's images: one directory each, made whole or not at all, never changed afterwards.

    root/ID/             image.json, disk.qcow2 and, for direct boot, kernel, initrd, cmdline
    root/ID.build.log    what making it printed; stays after a failure
    root/.staging/ID/    what is being made or deleted; `installation` says whose it is

What does not carry our installation's id is never touched, only reported.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from frazil.model.errors import Conflict, HostError, InvalidInput, NotFound, OutOfSpace
from frazil.server.images.files import ImageFiles

MANIFEST = "image.json"
MANIFEST_VERSION = 1
_STAGING = ".staging"
_OWNER = "installation"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageManifest:
    """What an image is; written once beside its files.

    os: osinfo-db's short id. source: where it came from, `recipe:NAME` or `import:FILE`. created_at: ISO 8601, UTC.
    direct_boot: whether kernel, initrd and cmdline lie beside the disk. labels: `installation` and what else the
    caller wants to find again.
    """

    id: str
    name: str
    version: str
    os: str
    source: str
    created_at: str
    virtual_size_bytes: int
    disk_sha256: str
    direct_boot: bool
    disk_format: str = "qcow2"
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({"manifest": MANIFEST_VERSION, **fields, "labels": dict(self.labels)}, indent=2) + "\n"


def parse_manifest(text: str) -> ImageManifest:
    """Reads what `to_json` wrote; fields that are not known are left aside. Raises InvalidInput."""
    try:
        data = json.loads(text)
        if data["manifest"] > MANIFEST_VERSION:
            raise InvalidInput(
                f"It was written by a newer Frazil (manifest {data['manifest']}).", remedy="Update Frazil."
            )
        return ImageManifest(
            id=_text(data["id"]),
            name=_text(data["name"]),
            version=_text(data["version"]),
            os=_text(data["os"]),
            source=_text(data["source"]),
            created_at=_text(data["created_at"]),
            virtual_size_bytes=int(data["virtual_size_bytes"]),
            disk_sha256=_text(data["disk_sha256"]),
            direct_boot=data["direct_boot"] is True,
            disk_format=_text(data["disk_format"]),
            labels={_text(key): _text(value) for key, value in data["labels"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InvalidInput(f"It is no image manifest ({exc!r}).", remedy="Delete the directory by hand.") from exc


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image in the store. kernel, initrd, cmdline: all or none."""

    manifest: ImageManifest
    directory: Path
    disk: Path
    kernel: Path | None
    initrd: Path | None
    cmdline: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Something in the store's directory that is not ours, or can't be read. Left alone."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What lies in the store."""

    images: tuple[StoredImage, ...]
    foreign: tuple[Foreign, ...]


class ImageStore:
    """The images of one host. Blocking; calls for different ids may come from different threads."""

    def __init__(self, root: Path, *, installation_id: str) -> None:
        """Makes `root` if need be and sweeps what an earlier process of this installation left half made.

        `foreign_leftovers` holds what was there and is not ours.
        """
        self._root = root
        self._installation_id = installation_id
        self._staging = root / _STAGING
        self._staging.mkdir(parents=True, exist_ok=True)
        self.foreign_leftovers = self._sweep()

    def _sweep(self) -> tuple[Foreign, ...]:
        left = []
        for path in sorted(self._staging.iterdir()):
            if _read(path / _OWNER) == self._installation_id or (path.is_dir() and not any(path.iterdir())):
                _remove(path)
            else:
                left.append(Foreign(path=path, why="half made, by another installation"))
        return tuple(left)

    def log_path(self, image_id: str) -> Path:
        """Where the making of this image is to be logged."""
        return self._root / f"{_checked(image_id)}.build.log"

    @contextmanager
    def staging(self, image_id: str) -> Iterator[Path]:
        """A place to make the image in: a path that does not exist yet, on the store's file system.

        Whatever is there when the context is left, for whatever reason, is removed; `add` moves it away before.
        Raises Conflict where the image exists or is being made.
        """
        place = self._staging / _checked(image_id)
        if (self._root / image_id).exists():
            raise Conflict(f"The image {image_id} exists already.", remedy="Images never change; make a new one.")
        with ExitStack() as undo:
            try:
                place.mkdir()
            except FileExistsError as exc:
                raise Conflict(
                    f"The image {image_id} is being made.", remedy="Wait for it, or cancel it first."
                ) from exc
            undo.callback(_remove, place)
            with disk_trouble_said(self._root, what="kept"):
                (place / _OWNER).write_text(self._installation_id, encoding="utf-8")
            yield place / "image"

    def add(
        self, *, image_id: str, files: ImageFiles, name: str, version: str, os_id: str, source: str, created_at: str,
        labels: Mapping[str, str] | None = None,
    ) -> StoredImage:  # fmt: skip
        """Take over what was made in `staging(image_id)`: manifest, sync to disk, read-only, one rename.

        Call it inside that context. created_at: ISO 8601, UTC.
        """
        place = self._staging / _checked(image_id) / "image"
        if files.directory != place:
            raise Conflict(f"{files.directory} is not the staging place of image {image_id}.")
        manifest = ImageManifest(
            id=image_id, name=name, version=version, os=os_id, source=source, created_at=created_at,
            virtual_size_bytes=files.virtual_size_bytes, disk_sha256=files.disk_sha256,
            direct_boot=files.kernel is not None, labels={**(labels or {}), "installation": self._installation_id},
        )  # fmt: skip
        with disk_trouble_said(self._root, what="kept"):
            (place / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
            for path in sorted(place.iterdir()):
                path.chmod(0o444)
                _sync(path)
            place.chmod(0o555)
            _sync(place)
            place.rename(self._root / image_id)
            _sync(self._root)
        return self.get(image_id)

    def get(self, image_id: str) -> StoredImage:
        """Raises NotFound, or InvalidInput where its manifest can't be read."""
        directory = self._root / _checked(image_id)
        text = _read(directory / MANIFEST)
        if text is None:
            raise NotFound(
                f"There is no image {image_id} on this host.", remedy="`frazil image list` shows what there is."
            )
        manifest = parse_manifest(text)
        if manifest.id != image_id:
            raise InvalidInput(f"{directory} holds the manifest of another image, {manifest.id}.")
        boot = manifest.direct_boot
        return StoredImage(
            manifest=manifest, directory=directory, disk=directory / "disk.qcow2",
            kernel=directory / "kernel" if boot else None, initrd=directory / "initrd" if boot else None,
            cmdline=(directory / "cmdline").read_text(encoding="utf-8").strip() if boot else None,
        )  # fmt: skip

    def list(self) -> Listing:
        """All of our images by id, and what else is there."""
        images, foreign = [], []
        for path in sorted(self._root.iterdir()):
            if path == self._staging or path.name.endswith(".build.log"):
                continue
            if _ID.fullmatch(path.name) is None:
                foreign.append(Foreign(path=path, why="not named like an image"))
                continue
            try:
                image = self.get(path.name)
            except (NotFound, InvalidInput, OSError) as exc:
                foreign.append(Foreign(path=path, why=str(exc)))
                continue
            if image.manifest.labels.get("installation") == self._installation_id:
                images.append(image)
            else:
                foreign.append(Foreign(path=path, why="made by another installation"))
        return Listing(images=tuple(images), foreign=tuple(foreign))

    def delete(self, image_id: str) -> None:
        """Raises NotFound, Conflict where the image is not ours, and HostError.

        Whether a desktop still uses it is the caller's to know.
        """
        with disk_trouble_said(self._root, what="removed"):
            self._delete(image_id)

    def _delete(self, image_id: str) -> None:
        image = self.get(image_id)
        if image.manifest.labels.get("installation") != self._installation_id:
            raise Conflict(
                f"The image {image_id} was made by another installation of Frazil and is left alone.",
                remedy=f"If it is really yours, delete {image.directory} by hand.",
            )
        place = self._staging / f"{image_id}.deleted"
        place.mkdir(exist_ok=True)
        (place / _OWNER).write_text(self._installation_id, encoding="utf-8")
        image.directory.rename(place / "image")
        _sync(self._root)
        _remove(place)
        self.log_path(image_id).unlink(missing_ok=True)


def _checked(image_id: str) -> str:
    if _ID.fullmatch(image_id) is None:
        raise InvalidInput(
            f"{image_id!r} is no image id.", remedy="An image id is a UUID in lower case.", field="image_id"
        )
    return image_id


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None


def _remove(path: Path) -> None:
    """Remove a tree of ours, read-only directories in it as well."""
    for directory in (path, *path.glob("*/")):
        if directory.is_dir() and not directory.is_symlink():
            directory.chmod(0o755)
    shutil.rmtree(path)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def disk_trouble_said(root: Path, *, what: str) -> Iterator[None]:
    """Each OSError becomes an OutOfSpace or a HostError. what: what could not be done with the image: "kept"."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(f"{root} is full.", remedy="Make room there, or delete images that no pool uses.") from exc
        raise HostError(f"The image could not be {what} in {root}: {exc}.") from exc
