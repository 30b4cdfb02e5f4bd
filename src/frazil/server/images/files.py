"""What an image consists of on disk."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from frazil.model.errors import NotFound
from frazil.server.images.command import Cancelled

_CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """A built or imported image in one directory.

    kernel, initrd, cmdline: for direct kernel boot, all three or none (then its own boot loader starts it).
    """

    directory: Path
    disk: Path
    virtual_size_bytes: int
    disk_sha256: str
    kernel: Path | None
    initrd: Path | None
    cmdline: str | None


FACTS = "files.json"


def keep_facts(files: ImageFiles) -> None:
    """Write beside the files what `read_image_files` needs to know of them again."""
    facts = {
        "virtual_size_bytes": files.virtual_size_bytes,
        "disk_sha256": files.disk_sha256,
        "cmdline": files.cmdline,
    }
    (files.directory / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")


def read_image_files(directory: Path) -> ImageFiles:
    """What an earlier build left in `directory`. Raises NotFound where there is nothing whole."""
    try:
        facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
        files = _image_files(directory, int(facts["virtual_size_bytes"]), str(facts["disk_sha256"]), facts["cmdline"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as exc:
        raise NotFound(f"There is no built image in {directory}.", remedy="Build it again.") from exc
    for path in (files.disk, files.kernel, files.initrd):
        if path is not None and not path.is_file():
            raise NotFound(f"The built image in {directory} lacks {path.name}.", remedy="Build it again.")
    return files


def link_image_files(files: ImageFiles, into: Path) -> ImageFiles:
    """The same image in the new directory `into` on the same file system, by hard links: no second copy.

    Raises OSError, for instance where the file systems differ.
    """
    into.mkdir()
    for path in (files.disk, files.kernel, files.initrd):
        if path is not None:
            os.link(path, into / path.name)
    if files.cmdline is not None:
        (into / "cmdline").write_text(files.cmdline + "\n", encoding="utf-8")
    return _image_files(into, files.virtual_size_bytes, files.disk_sha256, files.cmdline)


def _image_files(directory: Path, virtual_size_bytes: int, disk_sha256: str, cmdline: object) -> ImageFiles:
    direct = isinstance(cmdline, str)
    return ImageFiles(
        directory=directory,
        disk=directory / "disk.qcow2",
        virtual_size_bytes=virtual_size_bytes,
        disk_sha256=disk_sha256,
        kernel=directory / "kernel" if direct else None,
        initrd=directory / "initrd" if direct else None,
        cmdline=cmdline if isinstance(cmdline, str) else None,
    )


def file_sha256(path: Path, *, cancel: threading.Event, tell: Callable[[float], None] = lambda _: None) -> str:
    """The file's SHA-256 in hexadecimal; `tell` hears 0..1. Raises Cancelled."""
    total = hashlib.sha256()
    size = max(1, path.stat().st_size)
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if cancel.is_set():
                raise Cancelled("Taking the checksum was stopped.")
            total.update(chunk)
            done += len(chunk)
            tell(done / size)
    return total.hexdigest()
