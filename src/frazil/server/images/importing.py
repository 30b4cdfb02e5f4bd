"""Imports a disk image that someone else made. Its format is said by the caller, never guessed.

The file is opened once and copied (shared blocks where the file system can); all checks and the conversion work on
that copy, so that nobody can change or swap it in between. What can reach beyond the file is refused from its header
before QEMU's code sees it; qemu-img then runs in a sandbox and gets descriptors, not names.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from frazil.model.errors import Conflict, HostError, InvalidInput, NotFound, OutOfSpace
from frazil.server.images.command import Cancelled, run
from frazil.server.images.files import ImageFiles, file_sha256
from frazil.server.images.progress import BuildProgress
from frazil.server.images.qcow2 import HEADER_BYTES, check_qcow2_header, check_raw_start
from frazil.server.images.sandbox import Sandbox

DiskFormat = Literal["qcow2", "raw"]
_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_COPY_BYTES = 16 * 1024 * 1024
_SECTOR_BYTES = 512
CREATE_DEADLINE_S = 60.0
_CHECK_FOUND = (1, 2, 3)
"""qemu-img check's exit codes where it looked through the file and tells what it found (1: not all of it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLimits:
    """What an imported disk may be, and what its conversion may take."""

    virtual_size_bytes: int = 1024**4
    convert_s: float = 3600.0
    sandbox: Sandbox = field(default_factory=Sandbox)


def import_image(
    *,
    source: Path,
    disk_format: DiskFormat,
    into: Path,
    progress: Callable[[BuildProgress], None] = lambda _: None,
    cancel: threading.Event | None = None,
    limits: ImportLimits | None = None,
    log: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ImageFiles:
    """Make a clean qcow2 of `source` in the directory `into`, which must not exist yet. Blocks; needs root.

    Raises NotFound (no such file), InvalidInput (whatever is wrong with the file), Conflict (`into` exists),
    OutOfSpace, Cancelled, HostError. `into` is then as it was: not there.
    """
    if into.exists():
        raise Conflict(f"{into} is there already.", remedy="Import into a directory that does not exist yet.")
    if disk_format not in ("qcow2", "raw"):
        raise InvalidInput(
            f"Images of the format {disk_format} can't be imported.",
            remedy="Convert it to qcow2 first.",
            field="format",
        )
    work = _Import(
        disk_format=disk_format, into=into, cancel=cancel or threading.Event(), limits=limits or ImportLimits(),
        log=log or into.with_name(into.name + ".build.log"), tell=_Teller(progress, clock),
    )  # fmt: skip
    try:
        return work.run(source)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(
                f"The image was not taken in: the disk of {into.parent} is full.",
                remedy="Make room on it, then try again.",
            ) from exc
        raise HostError(f"Importing stopped: {exc}.") from exc


class _Teller:
    """Joins the shares of copying, checking, converting and the checksum into one fraction."""

    _SPANS = {
        "Copying": (0.0, 0.2),
        "Checking": (0.2, 0.25),
        "Converting": (0.25, 0.9),
        "Taking the checksum": (0.9, 1.0),
    }

    def __init__(self, tell: Callable[[BuildProgress], None], clock: Callable[[], float]) -> None:
        self._tell, self._clock, self._started = tell, clock, clock()

    def __call__(self, phase: str, share: float) -> None:
        low, high = self._SPANS[phase]
        fraction = low + (high - low) * min(max(share, 0.0), 1.0)
        elapsed = self._clock() - self._started
        eta = elapsed * (1 - fraction) / fraction if fraction > 0 else None
        self._tell(BuildProgress(phase=phase, fraction=fraction, eta_s=eta))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Import:
    disk_format: DiskFormat
    into: Path
    cancel: threading.Event
    limits: ImportLimits
    log: Path
    tell: _Teller

    def run(self, source: Path) -> ImageFiles:
        with ExitStack() as undo:
            fd = _open_plain_file(source)
            undo.callback(os.close, fd)
            self._check_start(fd)
            self.into.parent.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=f".{self.into.name}.", dir=self.into.parent))
            undo.callback(shutil.rmtree, work)
            copy = self._copy(fd, work / "source")
            undo.callback(os.close, copy)
            self._check_start(copy)  # once more: the source may have changed while it was copied
            self.tell("Checking", 0.0)
            size = self._check_by_qemu(copy)
            image = work / "image"
            image.mkdir(mode=0o755)
            disk = image / "disk.qcow2"
            self._convert(copy, disk, size)
            checksum = file_sha256(disk, cancel=self.cancel, tell=lambda share: self.tell("Taking the checksum", share))
            image.rename(self.into)
        self.tell("Taking the checksum", 1.0)
        return ImageFiles(
            directory=self.into, disk=self.into / disk.name, virtual_size_bytes=size, disk_sha256=checksum,
            kernel=None, initrd=None, cmdline=None,
        )  # fmt: skip

    def _check_start(self, fd: int) -> None:
        start = os.pread(fd, HEADER_BYTES, 0)
        size = os.fstat(fd).st_size
        if self.disk_format == "qcow2":
            self._check_size(check_qcow2_header(start).virtual_size_bytes)
            return
        check_raw_start(start)
        if size == 0 or size % _SECTOR_BYTES:
            raise InvalidInput(
                f"The file has {size} bytes; a disk has a whole number of {_SECTOR_BYTES}-byte sectors.",
                remedy="It was cut off, or is not raw. Check it at its source.",
            )
        self._check_size(size)

    def _check_size(self, size: int) -> None:
        if not 0 < size <= self.limits.virtual_size_bytes:
            raise InvalidInput(
                f"The disk has {size} bytes; up to {self.limits.virtual_size_bytes} can be imported.",
                remedy="Shrink it at its source, or raise the limit for imported disks.",
            )

    def _copy(self, source: int, target: Path) -> int:
        """A private copy that the sandbox's user owns; the open descriptor, read-only."""
        size = os.fstat(source).st_size
        with target.open("xb") as file:
            try:
                fcntl.ioctl(file.fileno(), _FICLONE, source)
            except OSError as exc:
                if exc.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS):
                    raise
                self._copy_data(source, file.fileno(), size)
            os.fchmod(file.fileno(), 0o400)
            os.fchown(file.fileno(), self.limits.sandbox.uid, self.limits.sandbox.gid)
        return os.open(target, os.O_RDONLY | os.O_CLOEXEC)

    def _copy_data(self, source: int, target: int, size: int) -> None:
        """What is not a hole, in pieces."""
        os.ftruncate(target, size)
        at = 0
        while at < size:
            try:
                at = os.lseek(source, at, os.SEEK_DATA)
            except OSError as exc:
                if exc.errno == errno.ENXIO:  # only a hole is left
                    return
                raise
            end = min(os.lseek(source, at, os.SEEK_HOLE), size)
            while at < end:
                if self.cancel.is_set():
                    raise Cancelled("Importing was stopped.")
                done = os.copy_file_range(source, target, min(_COPY_BYTES, end - at), at, at)
                if done == 0:
                    raise InvalidInput(
                        "The file became shorter while it was read.", remedy="Import it when nobody writes to it."
                    )
                at += done
                self.tell("Copying", at / size)

    def _check_by_qemu(self, fd: int) -> int:
        """Asks qemu-img; the disk's virtual size in bytes."""
        box, name = self.limits.sandbox, f"/proc/self/fd/{fd}"
        told = _object(
            box.output(
                ["qemu-img", "info", "--output=json", "-f", self.disk_format, name], what="Reading the image", fds=[fd]
            )
        )
        reaching = {"backing-filename", "full-backing-filename", "backing-filename-format"} & told.keys()
        specific = told.get("format-specific")
        data = specific.get("data") if isinstance(specific, dict) else None
        data = data if isinstance(data, dict) else {}
        if told.get("format") != self.disk_format or reaching or "data-file" in data:
            raise InvalidInput("The image needs other files than itself.", remedy="Import an image that is whole.")
        if told.get("encrypted") or "encrypt" in data:
            raise InvalidInput("The image is encrypted.", remedy="Import a decrypted copy.")
        if data.get("corrupt"):
            raise InvalidInput("The image is marked as corrupt.", remedy="Repair it with `qemu-img check -r all`.")
        size = told.get("virtual-size")
        if not isinstance(size, int):
            raise InvalidInput("The image's size can't be told.", remedy="Check the file at its source.")
        self._check_size(size)
        if self.disk_format == "qcow2":
            found = _object(
                box.output(
                    ["qemu-img", "check", "--output=json", "-f", "qcow2", name],
                    what="Checking the image",
                    fds=[fd],
                    also=_CHECK_FOUND,
                )
            )
            end, cluster = found.get("image-end-offset", 0), told.get("cluster-size", 1)
            # QEMU does not write a table's last cluster to its end: a new, empty image is shorter by that much
            if isinstance(end, int) and isinstance(cluster, int) and end >= os.fstat(fd).st_size + cluster:
                raise InvalidInput(
                    "The image was cut off: its end is missing.", remedy="Copy it again from its source."
                )
            if found.get("corruptions") or found.get("check-errors"):
                raise InvalidInput(
                    "The image is damaged: parts of it are missing, or do not fit together.",
                    remedy="Copy it again from its source; whether it is whole there is told by `qemu-img check`.",
                )
        return size

    def _convert(self, source: int, disk: Path, size: int) -> None:
        create = ["qemu-img", "create", "-q", "-f", "qcow2", str(disk), str(size)]
        with self.log.open("wb") as log:
            run(create, what="Making the disk", log=log, cancel=self.cancel, timeout_s=CREATE_DEADLINE_S)
        target = os.open(disk, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fchown(target, self.limits.sandbox.uid, self.limits.sandbox.gid)
            os.fchmod(target, 0o600)
            box = replace(
                self.limits.sandbox, cpu_s=int(self.limits.convert_s), wall_s=self.limits.convert_s,
                file_bytes=size + size // 8 + 64 * 1024**2,
            )  # fmt: skip
            program = ["qemu-img", "convert", "-p", "-n", "--target-is-zero", "-f", self.disk_format, "-O", "qcow2"]
            program += [f"/proc/self/fd/{source}", f"/proc/self/fd/{target}"]
            with self.log.open("ab") as log:
                run(
                    box.command(program), what="Converting the image", log=log, cancel=self.cancel,
                    on_line=self._converted, pass_fds=(source, target), timeout_s=box.wall_s,
                )  # fmt: skip
            os.fchown(target, os.geteuid(), os.getegid())
            os.fchmod(target, 0o644)
        finally:
            os.close(target)

    def _converted(self, line: str) -> None:
        """`    (12.34/100%)`, as qemu-img prints it."""
        share = line.strip().removeprefix("(").partition("/")[0]
        if line.strip().endswith("/100%)") and share.replace(".", "", 1).isdigit():
            self.tell("Converting", float(share) / 100)


def _open_plain_file(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError as exc:
        raise NotFound(f"There is no file {path}.", remedy="Check the path; it is one of this host.") from exc
    except OSError as exc:
        why = {errno.ELOOP: "is a symbolic link", errno.ENXIO: "is a socket or a device"}.get(exc.errno or 0, str(exc))
        raise InvalidInput(f"{path} {why}.", remedy="Give the path of the image file itself.") from exc
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InvalidInput(f"{path} is no plain file.", remedy="Give the path of the image file itself.")
    return fd


def _object(data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("qemu-img's answer can't be read.", remedy="Check the file at its source.") from exc
    if not isinstance(value, dict):
        raise InvalidInput("qemu-img's answer can't be read.", remedy="Check the file at its source.")
    return value
