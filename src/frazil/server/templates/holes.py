"""Gives a file's zeros back to the file system: a template's memory takes no more than what was written to it."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

BLOCK_BYTES = 4096
"""A guest's page, and the block of common file systems."""
_READ_BYTES = 4 << 20
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02  # linux/falloc.h

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def dig_holes(path: Path) -> int:
    """Punch a hole wherever the file has whole blocks of zeros. Returns the bytes that it takes on the disk after that.

    Blocking. On a file system that can't punch, the file stays as it is. Raises OSError for other failures.
    """
    with path.open("r+b") as file:
        os.fsync(file.fileno())  # what was not written back yet would be counted, and allocated, later
        try:
            for start, end in _zeros(file.fileno()):
                if _libc.fallocate(file.fileno(), _PUNCH_HOLE | _KEEP_SIZE, start, end - start) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), str(path))
        except OSError as exc:
            if exc.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        return os.fstat(file.fileno()).st_blocks * 512


def _zeros(fd: int) -> Iterator[tuple[int, int]]:
    """Runs of whole blocks of zeros. Space that was only set aside reads as zeros too, and is given back with them."""
    empty = bytes(_READ_BYTES)
    began: int | None = None
    at = 0
    while data := os.pread(fd, _READ_BYTES, at):
        if data == empty[: len(data)]:
            began = at if began is None else began
        else:
            for offset in range(0, len(data), BLOCK_BYTES):
                block = data[offset : offset + BLOCK_BYTES]
                if block == empty[: len(block)]:
                    began = at + offset if began is None else began
                elif began is not None:
                    yield began, at + offset
                    began = None
        at += len(data)
    if began is not None:
        yield began, at
