"""What a host keeps of each desktop: a directory with a record and the qcow2 overlay.

``desktops/<desktop id>/desktop.json`` is written first and removed last, so that whatever a crash leaves behind says
whose it is. A directory without our installation id is never touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from frazil import failpoint
from frazil.model.desktop import Epoch
from frazil.model.errors import Conflict, HostError, OutOfSpace

RECORD = "desktop.json"
PART = "desktop.json.new"
DISK = "disk.qcow2"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
QEMU_IMG_DEADLINE_S = 60.0
RESERVE_BYTES = 512 << 20
"""A host's disk is never filled up by new desktops: this much stays free for those that run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What stands in `desktop.json`.

    started_at: when this attempt's domain was last started. template: the key of the template that it is a fork of.
    identified: the fork was told who it is. host_boot: the boot of the host in which the disk was last used. keep_disk:
    whether the disk is made to outlive the domain. Both are None in a record of before they were kept.
    """

    installation_id: str
    desktop_id: str
    epoch: Epoch
    attempt: int
    name: str
    image_id: str
    started_at: datetime | None = None
    template: str | None = None
    identified: bool = False
    host_boot: str | None = None
    keep_disk: bool | None = None

    def to_json(self) -> str:
        return json.dumps(
            {
                "installation_id": self.installation_id,
                "desktop_id": self.desktop_id,
                "epoch": [self.epoch.generation, self.epoch.counter],
                "attempt": self.attempt,
                "name": self.name,
                "image_id": self.image_id,
                "started_at": self.started_at.isoformat() if self.started_at else None,
                "template": self.template,
                "identified": self.identified,
                "host_boot": self.host_boot,
                "keep_disk": self.keep_disk,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Raises ValueError when the text is no record."""
        try:
            given = json.loads(text)
            generation, counter = given["epoch"]
            started = given["started_at"]
            return cls(
                installation_id=given["installation_id"],
                desktop_id=given["desktop_id"],
                epoch=Epoch(int(generation), int(counter)),
                attempt=int(given["attempt"]),
                name=given["name"],
                image_id=given["image_id"],
                started_at=datetime.fromisoformat(started) if started else None,
                template=given.get("template"),
                identified=bool(given.get("identified", False)),
                host_boot=given.get("host_boot"),
                keep_disk=given.get("keep_disk"),
            )
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a desktop's record: {exc!r}") from exc


class DesktopDirectory:
    """All desktops' directories under `root`. Blocking but for `make_disk`; everything is small."""

    def __init__(self, root: Path, *, installation_id: str) -> None:
        self._root = root
        self._installation_id = installation_id
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)  # QEMU's user reaches disks by name, and sees no names
        for place in root.iterdir():
            if _ID.fullmatch(place.name) and not _holds_something(place):
                # A crash just before the first record, or just after the last, leaves this.
                (place / PART).unlink(missing_ok=True)
                place.rmdir()

    def disk(self, desktop_id: str) -> Path:
        """Where this desktop's overlay is or will be."""
        return self._root / desktop_id / DISK

    def read(self, desktop_id: str) -> Record | None:
        """The record of a desktop of ours; None when there is none. Raises HostError when that can't be seen."""
        try:
            record = Record.from_json((self._root / desktop_id / RECORD).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as exc:
            raise HostError(
                f"{self._root / desktop_id / RECORD} can't be read: {exc}.",
                remedy="Look at the directory, keep what matters, and remove it by hand.",
            ) from exc
        return record if record.installation_id == self._installation_id else None

    def list(self) -> list[tuple[str, Record | None]]:
        """Every directory's name, with its record where it is ours and can be read.

        Raises HostError when the directories can't be listed.
        """
        found: list[tuple[str, Record | None]] = []
        try:
            entries = sorted(self._root.iterdir())
        except OSError as exc:
            raise HostError(f"The desktops in {self._root} can't be listed: {exc}.") from exc
        for entry in entries:
            try:
                found.append((entry.name, self.read(entry.name)))
            except HostError:
                found.append((entry.name, None))
        return found

    def write(self, record: Record) -> None:
        """Write the record, whole or not at all, and on the disk before this returns."""
        place = self._root / record.desktop_id
        self._refuse_foreign(place)
        part = place / PART
        try:
            place.mkdir(mode=0o711, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                file.write(record.to_json())
                file.flush()
                os.fsync(file.fileno())
            part.replace(place / RECORD)
        except OSError as exc:
            with contextlib.suppress(OSError):  # what is said is why it could not be written
                part.unlink(missing_ok=True)
                place.rmdir()  # only when there is nothing else in it
            raise OutOfSpace(
                f"The record of desktop {record.name} can't be written: {exc.strerror}.",
                remedy="Free disk space on this host, then retry the desktop.",
            ) from exc

    def _refuse_foreign(self, place: Path) -> None:
        """A directory that is there already is ours, or has nothing in it."""
        if place.exists() and self.read(place.name) is None and _holds_something(place):
            raise Conflict(
                f"{place} is in the way: it is not this installation's, and Frazil does not touch it.",
                remedy="Look at it, move it away, then retry the desktop.",
            )

    def remove(self, desktop_id: str) -> None:
        """Remove a desktop of ours, its record last. Nothing happens when there is none, or it is not ours.

        Raises HostError when something of it can't be removed.
        """
        if self.read(desktop_id) is None:
            return
        place = self._root / desktop_id
        with _or_host_error(f"{place} can't be removed"):
            for entry in place.iterdir():
                if entry.name != RECORD:
                    entry.unlink()
            failpoint.reach("server.disk-removed")
            (place / RECORD).unlink()
            place.rmdir()

    def remove_disk(self, desktop_id: str) -> None:
        """Remove the overlay only. Raises HostError."""
        disk = self.disk(desktop_id)
        with _or_host_error(f"{disk} can't be removed"):
            disk.unlink(missing_ok=True)

    def has_room(self) -> bool:
        """Whether the reserve is free, as far as that can be seen."""
        try:
            return shutil.disk_usage(self._root).free >= RESERVE_BYTES
        except OSError:
            return False

    async def make_disk(self, record: Record, *, base: Path, size_bytes: int) -> Path:
        """The overlay on `base`; one that exists already is used as it is. The record must be written first."""
        disk = self.disk(record.desktop_id)
        if disk.exists():
            return disk
        with _or_host_error(f"{self._root} can't be looked at"):
            free = shutil.disk_usage(self._root).free
        if free < RESERVE_BYTES:
            raise OutOfSpace(
                f"This host has {free >> 20} MiB of disk left; {RESERVE_BYTES >> 20} MiB must stay free.",
                remedy="Free disk space on this host, then retry the desktop.",
            )
        await make_overlay(disk, base=base, size_bytes=size_bytes)
        return disk


@contextlib.contextmanager
def _or_host_error(what: str) -> Iterator[None]:
    """The file system's own errors as HostError. `what`: "/x can't be removed"."""
    try:
        yield
    except OSError as exc:
        raise HostError(f"{what}: {exc}.", remedy="See that this host's disk is sound, then retry.") from exc


def _holds_something(place: Path) -> bool:
    """Whether there is more in it than what a crash before the first record leaves."""
    return not place.is_dir() or any(entry.name != PART for entry in place.iterdir())


async def make_overlay(disk: Path, *, base: Path, size_bytes: int) -> None:
    """A qcow2 file on top of the qcow2 file `base`, whole or not at all.

    The overlay names its base and the base's format: QEMU never guesses what a guest could have written.
    Raises OutOfSpace or HostError.
    """
    part = disk.with_suffix(".new")
    with ExitStack() as undo:
        undo.enter_context(_or_host_error(f"The disk {disk} can't be made"))
        undo.callback(part.unlink, missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base), str(part), str(size_bytes),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(QEMU_IMG_DEADLINE_S):
                _, said = await process.communicate()
        except BaseException as exc:
            if process.returncode is None:
                process.kill()
                await process.wait()
            if isinstance(exc, TimeoutError):
                raise HostError(f"The disk {disk} was not made within {QEMU_IMG_DEADLINE_S:.0f} s.") from exc
            raise
        if process.returncode != 0:
            text = said.decode(errors="replace").strip()
            if "No space left" in text:
                raise OutOfSpace(f"The disk {disk} can't be made: {text}.", remedy="Free disk space on this host.")
            raise HostError(f"The disk {disk} can't be made: {text}.")
        failpoint.reach("server.overlay-made")
        part.rename(disk)
