"""A file to be imported as an image, copied to where this host's server takes it from."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

from frazil.model.clock import Ids
from frazil.model.errors import InvalidInput, OutOfSpace

FICLONE = 0x40049409
"""ioctl that shares a whole file's blocks (Linux, linux/fs.h); Btrfs and XFS have it."""
STEP_BYTES = 64 << 20
SPARE_BYTES = 1 << 30
"""Kept free beside the copy, for the running desktops."""


def take_in(source: Path, directory: Path, *, ids: Ids, tell: Callable[[float], None]) -> str:
    """Copy `source` into `directory` and return the copy's name there. `tell` hears the fraction that is done.

    Holes stay holes; where the file system can, blocks are shared. Nothing is left behind on failure.
    Raises InvalidInput when the file can't be read, OutOfSpace when it does not fit.
    """
    try:
        given = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            raise InvalidInput(
                f"There is no file {source}.",
                remedy="Check the path: the file must be on this machine.",
                field="file",
            ) from exc
        raise InvalidInput(
            f"{source} can't be read: {exc.strerror}.", remedy="Check who may read it: ls -l", field="file"
        ) from exc
    try:
        if not stat.S_ISREG(os.fstat(given).st_mode):
            raise InvalidInput(f"{source} is not a file.", remedy="Give a qcow2 or raw image file.", field="file")
        size = os.fstat(given).st_size
        name = f"{ids.new_id()}.image"
        target = directory / name
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if not _share(given, made):
                _check_space(given, directory)
                _copy(given, made, size=size, tell=tell)
            os.fsync(made)
        except BaseException as exc:
            target.unlink()
            if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpace(
                    f"The disk of {directory} is full; the copy was removed.",
                    remedy=f"Make room there: df -h {directory}",
                ) from exc
            raise
        finally:
            os.close(made)
    finally:
        os.close(given)
    tell(1.0)
    return name


def _share(given: int, made: int) -> bool:
    try:
        fcntl.ioctl(made, FICLONE, given)
    except OSError:
        return False  # another file system, or one that can't
    return True


def _check_space(given: int, directory: Path) -> None:
    needed = os.fstat(given).st_blocks * 512
    about = os.statvfs(directory)
    free = about.f_bavail * about.f_frsize
    if free < needed + SPARE_BYTES:
        raise OutOfSpace(
            f"The image takes {_amount(needed)}, and the disk of {directory} has {_amount(free)} free; besides the "
            f"image, {_amount(SPARE_BYTES)} must stay free for the desktops.",
            remedy=f"Make room there: df -h {directory}",
        )


def _amount(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB" if size_bytes >= 1 << 30 else f"{size_bytes / (1 << 20):.0f} MiB"


def _copy(given: int, made: int, *, size: int, tell: Callable[[float], None]) -> None:
    os.truncate(made, size)
    place = 0
    while place < size:
        try:
            place = os.lseek(given, place, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return  # only a hole is left
            raise
        hole = os.lseek(given, place, os.SEEK_HOLE)
        while place < hole:
            copied = _copy_some(given, made, place=place, most=min(STEP_BYTES, hole - place))
            if copied == 0:
                raise InvalidInput("The file became shorter while it was copied.", field="file")
            place += copied
            tell(place / size)


def _copy_some(given: int, made: int, *, place: int, most: int) -> int:
    try:
        return os.copy_file_range(given, made, most, place, place)
    except OSError as exc:
        if exc.errno not in (errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL):
            raise
    os.lseek(made, place, os.SEEK_SET)  # sendfile writes where the file's own position is
    return os.sendfile(made, given, place, most)
